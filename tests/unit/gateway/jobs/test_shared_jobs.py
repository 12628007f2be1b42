"""Jobs that several edges share: each may be asked, and none is needed."""

import asyncio
import contextlib
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.errors import JobsUnavailable
from gateway.settings import HOME
from photorestore.options import STAGES
from tests.edge import (
    ENVIRONMENT,
    EdgeClient,
    FakeTorchServe,
    free_port,
    make_picture,
    metric,
    problem,
    running_edge,
    serving,
    until,
)
from tests.jobs import KEYED, SECRET, emptied, look, ready, receiving, submit, wait

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]


@pytest.fixture
def shared(database: str, folder: Path) -> dict[str, Any]:
    """Settings of edges that share records and a folder."""
    return {"jobs_url": database, "jobs_files": str(folder)}


@contextlib.asynccontextmanager
async def two_edges(
    server: FakeTorchServe, root: Path, settings: dict[str, Any]
) -> AsyncIterator[tuple[EdgeClient, EdgeClient]]:
    """Two edges; the second begins no job."""
    async with (
        running_edge(server, root, **settings) as first,
        running_edge(server, root, **settings) as second,
    ):
        second.app.state.edge.jobs._worker.stop()
        yield first, second


@pytest.mark.parametrize("place", ["folder", "bucket"])
async def test_either_edge_takes_tells_and_hands_out(
    server: FakeTorchServe, root: Path, shared: dict[str, Any], place: str, request: pytest.FixtureRequest
) -> None:
    settings = shared | {"jobs_files": str(request.getfixturevalue(place))}
    async with two_edges(server, root, settings) as (first, second):
        job = await submit(second, "stages=&format=png")
        done = await wait(second, job)
        assert (done["state"], done["tries"]) == ("succeeded", 1)
        direct = await first.post("/v1/restore?stages=&format=png", content=make_picture())
        for edge in (first, second):
            result = await edge.get(done["links"]["result"])
            assert (result.status_code, result.content) == (200, direct.content)
        assert (await first.delete(job["links"]["self"])).status_code == 204
        assert problem(await second.get(job["links"]["self"])) == (404, "not-found")


async def test_the_same_key_gives_the_same_job_at_either_edge(
    server: FakeTorchServe, root: Path, shared: dict[str, Any]
) -> None:
    async with two_edges(server, root, shared) as edges:
        jobs = await asyncio.gather(*(submit(edge, **KEYED) for edge in edges * 3))
        assert len({job["id"] for job in jobs}) == 1
        await wait(edges[1], jobs[0])
    assert len(server.inferences) == 1


async def test_progress_is_told_by_the_other_edge(
    server: FakeTorchServe, root: Path, shared: dict[str, Any]
) -> None:
    async with two_edges(server, root, shared | {"job_lease_s": 1.0}) as (first, second):
        server.is_open.clear()
        job = await submit(first)
        await until(lambda: server.inferences)
        (root / server.inferences[0]["workspace_id"] / "preprocess.ran.state").touch()
        async with asyncio.timeout(30):
            while (await look(second, job))["progress"]["preprocess"] != "ran":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await look(second, job))["progress"] == dict.fromkeys(STAGES, "waiting") | {
            "preprocess": "ran"
        }
        server.is_open.set()
        assert (await wait(second, job))["tries"] == 1


async def test_job_is_cancelled_at_the_other_edge(
    server: FakeTorchServe, root: Path, folder: Path, shared: dict[str, Any]
) -> None:
    async with two_edges(server, root, shared | {"job_lease_s": 1.0}) as (first, second):
        server.is_open.clear()
        job = await submit(first)
        await until(lambda: server.inferences)
        assert (await second.delete(job["links"]["self"])).status_code == 204
        await until(lambda: list(root.glob("*/cancelled")))
        server.is_open.set()
        await until(lambda: metric(first, "in_flight_requests") == 0)
        assert (await look(first, job))["state"] == "cancelled"
        await emptied(folder / "uploads")
        await emptied(folder / "results")


async def test_what_a_stopped_edge_had_not_ended_another_does_at_once(
    server: FakeTorchServe, root: Path, shared: dict[str, Any]
) -> None:
    async with running_edge(server, root, **shared) as second:
        second.app.state.edge.jobs._worker.settings = None  # it cannot take any
        async with running_edge(server, root, **shared, max_jobs=1, drain_s=0.05) as first:
            server.is_open.clear()
            jobs = [await submit(first, seed=seed) for seed in range(3)]
            await until(lambda: server.inferences)
        server.is_open.set()
        second.app.state.edge.jobs._worker.settings = second.app.state.edge.settings
        done = [await wait(second, job) for job in jobs]
        assert [(job["state"], job["tries"]) for job in done] == [("succeeded", 1)] * 3


async def test_edge_that_is_not_heard_of_gives_its_job_up_before_another_takes_it(
    server: FakeTorchServe, root: Path, shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_edges(server, root, shared | {"job_lease_s": 0.5}) as (first, _):
        store = first.app.state.edge.jobs.store
        server.is_open.clear()
        job = await submit(first)
        await until(lambda: server.inferences)

        def away(*_: object, **__: object) -> bool:
            raise JobsUnavailable("away")

        with monkeypatch.context() as patch:
            for method in ("hold", "put_back", "next_queued"):
                patch.setattr(store, method, away)
            await until(lambda: list(root.glob("*/cancelled")))
            assert (await look(first, job))["state"] == "running"
        server.is_open.set()
        assert (await wait(first, job))["tries"] == 2


async def test_webhook_is_sent_by_one_edge(
    server: FakeTorchServe, root: Path, shared: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    settings = shared | {"webhook_hosts": "127.0.0.1", "webhook_secret_file": tmp_path / "secret"}
    with receiving() as receiver:
        async with two_edges(server, root, settings) as (first, second):
            for seed in range(4):
                await wait(first, await submit(second, f"stages=&webhook={receiver.url}", seed))
            await until(lambda: len(receiver.got) >= 4)
            await asyncio.sleep(0.1)
    assert Counter(headers["webhook-id"] for _, headers, _ in receiver.got).most_common(1)[0][1] == 1


async def test_edge_without_its_database_restores_and_refuses_jobs(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    url = f"postgresql://edge:known-to-nobody@127.0.0.1:{free_port()}/jobs"
    async with running_edge(server, root, jobs_url=url, jobs_files=str(folder)) as edge:
        assert problem(await edge.post("/v1/jobs", content=make_picture())) == (503, "jobs-unavailable")
        assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200
        assert (await edge.get("/readyz")).status_code == 200
        await until(lambda: edge.app.state.edge.jobs.sweeper.problem)
        (warning,) = (await edge.get("/readyz")).json()["warnings"]
        assert "the jobs' database" in warning
        assert (await edge.get("/metrics")).status_code == 200


async def test_killed_and_stopped_edges_lose_nothing(
    server: FakeTorchServe, root: Path, database: str, folder: Path, tmp_path: Path
) -> None:
    """Two edges as processes: at half of the jobs one is killed, then a third one comes and the second goes."""
    (tmp_path / "secret").write_bytes(SECRET)
    port = [free_port() for _ in range(3)]
    with receiving() as receiver:
        async with serving(server) as url, contextlib.AsyncExitStack() as opened:
            command = [
                sys.executable,
                "-m",
                "gateway",
                "serve",
                "--workspace-root",
                str(root),
                "--poll-s",
                "0.1",
            ]
            command += ["--inference-url", url, "--management-url", url, "--jobs-files", str(folder)]
            command += ["--job-lease-s", "4", "--webhook-secret-file", str(tmp_path / "secret")]
            command += ["--webhook-hosts", "127.0.0.1"]
            environment = ENVIRONMENT | {"PHOTORESTORE_GATEWAY_JOBS_URL": database}

            async def start(place: int) -> tuple[asyncio.subprocess.Process, httpx.AsyncClient]:
                process = await asyncio.create_subprocess_exec(
                    *command, "--port", str(port[place]), cwd=HOME, env=environment
                )
                opened.push_async_callback(end, process)
                client = httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port[place]}", trust_env=False, timeout=60
                )
                return process, await opened.enter_async_context(client)

            edges = [await start(0), await start(1)]
            for _, client in edges:
                await ready(client)
            query = f"stages=&webhook={receiver.url}"
            jobs = [await submit(edges[seed % 2][1], query, seed) for seed in range(20)]
            await wait(edges[1][1], jobs[10])
            server.is_open.clear()
            begun = len(server.inferences)
            jobs += [await submit(edges[seed % 2][1], query, seed) for seed in range(20, 40)]
            await until(lambda: len(server.inferences) >= begun + 3)  # either edge has one or two at work
            edges[0][0].kill()
            await edges[0][0].wait()
            server.is_open.set()
            edges.append(await start(2))
            await ready(edges[2][1])
            edges[1][0].send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(edges[1][0].wait(), 60) == 0
            done = [await wait(edges[2][1], job) for job in jobs]
            assert {job["state"] for job in done} == {"succeeded"}
            assert all(job["tries"] <= 2 for job in done)
            assert 1 <= sum(job["tries"] == 2 for job in done) <= 2
            for job in done:
                assert (await edges[2][1].get(job["links"]["result"])).status_code == 200
            await until(lambda: len({headers["webhook-id"] for _, headers, _ in receiver.got}) == len(jobs))
    await emptied(folder / "uploads")
    assert len(list((folder / "results").iterdir())) == len(jobs)
    shutil.rmtree(root)  # a killed edge leaves its directories to the backend's sweeper
    root.mkdir()


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()
