"""Lists of jobs, and jobs that are followed."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.http.keys import key_line, make_key
from gateway.routes import job_views
from tests.edge import EdgeClient, FakeTorchServe, listening, make_picture, problem, running_edge, until
from tests.jobs import submit, wait

pytestmark = pytest.mark.anyio


@pytest.fixture
async def edge(server: FakeTorchServe, root: Path, tmp_path: Path) -> AsyncIterator[EdgeClient]:
    key, keys_file = make_key(), tmp_path / "keys"
    keys_file.write_text(key_line("mine", key))
    settings: dict[str, Any] = {"jobs_dir": tmp_path / "jobs", "keys_file": keys_file}
    async with running_edge(server, root, max_jobs=1, **settings) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


async def pages(edge: EdgeClient, path: str) -> list[list[str]]:
    """The ids on each page."""
    found = []
    following: str | None = path
    while following is not None:
        answer = await edge.get(following)
        assert answer.status_code == 200, answer.text
        found.append([job["id"] for job in answer.json()["jobs"]])
        following = answer.json()["links"]["next"]
    return found


async def test_jobs_are_listed_by_page_and_state_the_latest_first(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    server.is_open.clear()
    jobs = [await submit(edge, seed=seed) for seed in range(5)]
    await wait(edge, jobs[0], "running")
    latest = [job["id"] for job in reversed(jobs)]
    assert await pages(edge, "/v1/jobs") == [latest]
    assert await pages(edge, "/v1/jobs?limit=2") == [latest[:2], latest[2:4], latest[4:]]
    assert await pages(edge, "/v1/jobs?limit=2&state=queued") == [latest[:2], latest[2:4]]
    assert await pages(edge, "/v1/jobs?state=running") == [latest[4:]]
    (first,) = (await edge.get("/v1/jobs?state=running")).json()["jobs"]
    assert first == (await edge.get(jobs[0]["links"]["self"])).json()
    server.is_open.set()
    await wait(edge, jobs[4])


async def test_a_page_goes_on_where_the_last_one_ended_although_jobs_came_and_went(edge: EdgeClient) -> None:
    jobs = [await wait(edge, await submit(edge, seed=seed)) for seed in range(3)]
    following = (await edge.get("/v1/jobs?limit=1")).json()["links"]["next"]
    await edge.delete(jobs[2]["links"]["self"])
    await wait(edge, await submit(edge, seed=3))
    assert [job["id"] for job in (await edge.get(following)).json()["jobs"]] == [jobs[1]["id"]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "state=done", "before=x", "before=1.5-' OR 1", "stage=face"]
)
async def test_what_a_page_cannot_be_is_refused(edge: EdgeClient, query: str) -> None:
    assert problem(await edge.get(f"/v1/jobs?{query}")) == (400, "unsupported-option")


async def test_without_keys_nobody_is_shown_the_jobs_of_all(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    async with running_edge(server, root, jobs_dir=tmp_path / "jobs") as edge:
        job = await submit(edge)
        assert problem(await edge.get("/v1/jobs")) == (403, "keys-needed")
        assert (await edge.get(job["links"]["self"])).status_code == 200


async def test_callers_list_and_follow_their_own_jobs_alone(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    mine, theirs = make_key(), make_key()
    (tmp_path / "keys").write_text(f"{key_line('mine', mine)}\n{key_line('theirs', theirs)}\n")
    i, they = (dict[str, Any](Authorization=f"Bearer {key}") for key in (mine, theirs))
    settings: dict[str, Any] = {"jobs_dir": tmp_path / "jobs", "keys_file": tmp_path / "keys"}
    async with running_edge(server, root, **settings) as edge:
        job = await submit(edge, **i)
        assert (await edge.get("/v1/jobs", headers=they)).json() == {"jobs": [], "links": {"next": None}}
        assert len((await edge.get("/v1/jobs", headers=i)).json()["jobs"]) == 1
        assert problem(await edge.get(f"{job['links']['self']}/events", headers=they)) == (404, "not-found")
        assert problem(await edge.get("/v1/jobs")) == (401, "unauthorized")


async def test_a_job_is_followed_to_its_end(
    edge: EdgeClient, server: FakeTorchServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_views, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(job_views, "QUIET_S", 0.02)
    server.is_open.clear()
    job = await submit(edge)
    asyncio.get_running_loop().call_later(0.5, server.is_open.set)
    answer = await edge.get(f"{job['links']['self']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = answer.text.strip().split("\n\n")
    assert ": still" in blocks
    told = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks if block[0] != ":"]
    assert [event["event"] for event in told][-1] == "succeeded"
    assert json.loads(told[-1]["data"]) == (await edge.get(job["links"]["self"])).json()
    assert all(event != following for event, following in itertools.pairwise(told))


async def test_followers_leave_when_the_edge_stops(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    async with listening(server, root, jobs_dir=tmp_path / "jobs", drain_s=20.0) as (port, app):
        server.is_open.clear()
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30
        ) as client:
            answer = await client.post("/v1/jobs?stages=", content=make_picture())
            await until(lambda: server.inferences)
            following = asyncio.create_task(client.get(f"{answer.headers['location']}/events"))
            await asyncio.sleep(0.2)
            app.state.edge.readiness.drain()
            assert "event: running" in (await following).text
            server.is_open.set()
