"""Many jobs in one request."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.http.keys import key_line, make_key
from gateway.jobs import forecast
from gateway.routes import batches
from gateway.routes.job_schemas import MOST_ORDERS
from tests.edge import EdgeClient, FakeTorchServe, make_picture, metric, problem, running_edge, until
from tests.jobs import hosting, wait

pytestmark = pytest.mark.anyio

EVERYWHERE: dict[str, Any] = {"source_places": "127.0.0.0/8", "result_places": "127.0.0.0/8"}


async def send(edge: EdgeClient, *jobs: object, **more: Any) -> httpx.Response:
    headers = more.pop("headers", None)
    return await edge.post("/v1/jobs/batch", json={"jobs": list(jobs), **more}, headers=headers)


def outcomes(answer: httpx.Response) -> list[tuple[int, str]]:
    """Of each job the status, and the type of its problem."""
    assert answer.status_code == 200, answer.text
    return [
        (each["status"], "" if each["problem"] is None else each["problem"]["type"].rpartition(":")[2])
        for each in answer.json()["jobs"]
    ]


async def test_each_job_has_its_own_options_and_end(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    with hosting(a=make_picture(), b=make_picture(seed=1)) as host:
        async with running_edge(server, root, jobs_dir=tmp_path / "jobs", **EVERYWHERE) as edge:
            answer = await send(
                edge,
                {"source": f"{host.url}/a", "result": f"{host.url}/to/a", "options": {"format": "webp"}},
                {"source": f"{host.url}/b?X-Sig=hidden", "return": "report", "options": {"strength": None}},
                {"source": f"{host.url}/c"},
                options={"stages": [], "format": "png", "strength": 0.5},
            )
            assert outcomes(answer) == [(202, "")] * 3
            assert "hidden" not in answer.text
            first, second, third = [
                await wait(edge, {"links": each["job"]["links"]}) for each in answer.json()["jobs"]
            ]
        assert (first["state"], first["result"]["content_type"]) == ("succeeded", "image/webp")
        assert host.files["/to/a"][8:12] == b"WEBP"
        assert second["result"]["return"] == "report"
        assert third["problem"]["type"].endswith("source-not-found")


async def test_one_that_is_wrong_spoils_no_other(server: FakeTorchServe, root: Path, tmp_path: Path) -> None:
    settings = {**EVERYWHERE, "jobs_dir": tmp_path / "jobs"}
    async with running_edge(server, root, **settings) as edge:
        server.is_open.clear()
        good = {"source": "http://127.0.0.1:9/a"}
        answer = await send(
            edge,
            good,
            {"source": "http://10.0.0.1/a?X-Sig=hidden"},
            {"source": 7},
            {},
            "a",
            {**good, "colour": "srgb"},
            {**good, "options": {"strength": 2}},
            {**good, "options": {"tier": "best"}},
            {**good, "return": "everything"},
            {**good, "result": "http://127.0.0.1:9/a"},
            {**good, "webhook": "https://hooks.example.org"},
            {**good, "idempotency_key": "two words"},
            {**good, "idempotency_key": "a\n"},
            good,
        )
        unsupported = (400, "unsupported-option")
        assert outcomes(answer) == [
            (202, ""),
            (403, "place-not-allowed"),
            *[unsupported] * 9,
            *[(400, "bad-request")] * 2,
            (202, ""),
        ]
        assert "hidden" not in answer.text
        found = answer.json()["jobs"]
        assert all(each["job"] is None for each in found[1:-1])
        assert len({found[0]["job"]["id"], found[-1]["job"]["id"]}) == 2
        assert found[3]["problem"]["detail"] == "the job is not as expected: source: Field required"
        assert found[4]["problem"]["detail"] == "the job is no JSON object; expected one with a source"
        server.is_open.set()


async def test_idempotency_keys_are_those_of_single_jobs(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    async with running_edge(server, root, jobs_dir=tmp_path / "jobs", **EVERYWHERE) as edge:
        job = {"source": "http://127.0.0.1:9/a", "idempotency_key": "k"}
        first = await send(edge, job, job, {**job, "source": "http://127.0.0.1:9/b"})
        assert outcomes(first) == [(202, ""), (200, ""), (422, "idempotency-key-reused")]
        single = await edge.post("/v1/jobs?source=http://127.0.0.1:9/a", headers={"Idempotency-Key": "k"})
        assert single.json()["id"] == first.json()["jobs"][0]["job"]["id"]
        assert problem(await send(edge, job, headers={"Idempotency-Key": "k"})) == (400, "bad-request")


async def test_limits_of_a_key_count_each_job(
    server: FakeTorchServe, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "FRESH_S", 0.0)
    monkeypatch.setattr(forecast, "SHARE", 1e9)
    keys = {name: make_key() for name in ("ann", "bob")}
    (tmp_path / "keys").write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    settings: dict[str, Any] = {
        **EVERYWHERE,
        "jobs_dir": tmp_path / "jobs",
        "keys_file": tmp_path / "keys",
        "max_jobs": 1,
        "max_queued_jobs": 6,
    }
    with hosting(a=make_picture()) as host:
        async with running_edge(server, root, **settings) as edge:
            server.is_open.clear()
            job = {"source": f"{host.url}/a"}
            ann, bob = ({"Authorization": f"Bearer {key}"} for key in keys.values())
            await send(edge, job, headers=ann)
            await until(lambda: host.got)  # it runs, and takes no place in the queue
            answer = await send(edge, *[job] * 5, headers=ann)
            assert outcomes(answer) == [(202, "")] * 3 + [(429, "too-many-requests")] * 2
            assert int(answer.headers["Retry-After"]) >= 1
            assert "of this API key" in answer.json()["jobs"][-1]["problem"]["detail"]
            assert metric(edge, "rejected_total", reason="jobs") == 2
            told = [each["job"]["ahead"] for each in answer.json()["jobs"][:3]]
            assert told == [0, 1, 2]
            other = await send(edge, job, headers=bob)
            assert outcomes(other) == [(202, "")]
            assert other.json()["jobs"][0]["job"]["ahead"] == 0  # keys take turns
            assert problem(await send(edge, job)) == (401, "unauthorized")
            server.is_open.set()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", (400, "bad-request")),
        (b"[]", (400, "bad-request")),
        (b'{"jobs": []}', (400, "bad-request")),
        (b'{"jobs": {}}', (400, "bad-request")),
        (b'{"jobs": [{"source": "https://a.example?X-Sig=hidden"}], "more": 1}', (400, "bad-request")),
        (json.dumps({"jobs": [{}] * (MOST_ORDERS + 1)}).encode(), (400, "bad-request")),
        (b'{"jobs": [{"source": "s3://a/\\ud800"}]}', (400, "bad-request")),
        (b"[" * 100_000, (400, "bad-request")),
        (b" " * (batches.MOST_BYTES + 1), (413, "payload-too-large")),
    ],
)
async def test_what_is_no_batch_is_refused_as_a_whole(
    server: FakeTorchServe, root: Path, tmp_path: Path, body: bytes, found: tuple[int, str]
) -> None:
    async with running_edge(server, root, jobs_dir=tmp_path / "jobs") as edge:
        answer = await edge.post("/v1/jobs/batch", content=body)
        assert problem(answer) == found
        assert "hidden" not in answer.text
        assert problem(await edge.post("/v1/jobs/batch?format=png", json={"jobs": [{}]})) == (
            400,
            "bad-request",
        )


@pytest.mark.parametrize(
    ("path", "piece"), [("/v1/jobs/batch", b" "), ("/v1/jobs?source=http://127.0.0.1:9/a", b"")]
)
async def test_body_that_comes_too_slowly_is_given_up(
    server: FakeTorchServe, root: Path, tmp_path: Path, path: str, piece: bytes
) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield piece
            await asyncio.sleep(0.02)

    settings: dict[str, Any] = {**EVERYWHERE, "jobs_dir": tmp_path / "jobs", "upload_grace_s": 0.1}
    async with running_edge(server, root, **settings) as edge:
        assert problem(await edge.post(path, content=trickle())) == (408, "upload-too-slow")


async def test_without_jobs_there_are_no_batches(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        assert problem(await send(edge, {"source": "s3://a/b"})) == (404, "not-found")
