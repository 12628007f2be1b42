"""When jobs are begun, tried again, given up and taken up after a restart."""

import asyncio
from pathlib import Path

import pytest
from starlette.responses import Response

from gateway.app import create_app
from gateway.jobs import worker
from gateway.jobs.sqlite import SqliteDatabase
from gateway.jobs.store import Store
from gateway.settings import GatewaySettings
from photorestore.networks import deep_prior
from tests.edge import (
    EdgeClient,
    FakeTorchServe,
    make_mask,
    make_picture,
    metric,
    problem,
    running_edge,
    until,
)
from tests.jobs import emptied, look, names, submit, wait

pytestmark = pytest.mark.anyio


async def test_uploads_wait_on_disk_for_a_place_that_direct_requests_have(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL_S", 60.0)
    async with running_edge(server, root, jobs_dir=folder, max_requests=1) as edge:
        server.is_open.clear()
        direct = asyncio.create_task(edge.post("/v1/restore?stages=", content=make_picture()))
        await until(lambda: server.inferences)
        jobs = [await submit(edge, seed=seed) for seed in (1, 2)]
        assert [(await look(edge, job))["state"] for job in jobs] == ["queued", "queued"]
        assert len(names(root)) == 1
        assert len(names(folder / "uploads")) == 2
        server.is_open.set()
        assert (await direct).status_code == 200
        assert [(await wait(edge, job))["state"] for job in jobs] == ["succeeded", "succeeded"]
        assert metric(edge, "rejected_total", reason="requests") == 0


async def test_some_jobs_run_at_a_time_in_the_order_they_came(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    async with running_edge(server, root, jobs_dir=folder, max_jobs=1) as edge:
        server.is_open.clear()
        jobs = [await submit(edge, seed=seed, **{"X-Request-Id": f"r{seed}"}) for seed in range(3)]
        await wait(edge, jobs[0], "running")
        assert [(await look(edge, job))["state"] for job in jobs[1:]] == ["queued", "queued"]
        server.is_open.set()
        for job in jobs:
            await wait(edge, job)
        assert [envelope["request_id"] for envelope in server.inferences] == ["r0", "r1", "r2"]
        assert all(
            envelope["measures_all"] for envelope in server.inferences
        )  # for the report, which is kept


async def test_what_takes_minutes_goes_one_at_a_time_and_past_the_workers_of_the_workflow(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_prior, "STEPS", 12)
    long = "stages=denoise&denoise_method=dip"
    async with running_edge(server, root, jobs_dir=folder, max_jobs=3) as edge:
        server.is_open.clear()
        jobs = [
            await submit(edge, query, seed, **{"X-Request-Id": f"r{seed}"})
            for seed, query in enumerate((long, long, "stages="))
        ]
        await wait(edge, jobs[2], "running")
        assert [(await look(edge, job))["state"] for job in jobs] == ["running", "queued", "running"]
        server.is_open.set()
        ended = [await wait(edge, job) for job in jobs]
        assert [(job["state"], job["progress"]["denoise"]) for job in ended] == [
            *[("succeeded", "ran")] * 2,
            ("succeeded", "passed"),
        ]
    whole = "/predictions/restore_whole"
    assert [server.paths[f"r{number}"] for number in range(3)] == [whole, whole, "/wfpredict/restore"]


async def test_problem_of_a_stage_is_the_jobs(edge: EdgeClient, folder: Path) -> None:
    files = {"image": make_picture(), "mask": make_mask(6, 8)}
    job = await wait(edge, (await edge.post("/v1/jobs", files=files)).json())
    assert (job["state"], job["progress"]) == ("failed", {"preprocess": "failed"})
    assert (job["problem"]["status"], job["problem"]["stage"]) == (422, "preprocess")
    assert job["problem"]["request_id"]
    assert "result" not in job["links"]
    assert problem(await edge.get(f"{job['links']['self']}/result")) == (409, "job-has-no-result")
    await emptied(folder / "uploads")


async def test_job_outlasts_failures_of_the_backend(
    edge: EdgeClient, server: FakeTorchServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.jobs.attempts.FIRST_WAIT_S", 0.0)
    server.answer = Response(b"Error executing denoise", 500)
    job = await submit(edge)
    await until(lambda: server.inferences)
    server.answer = None
    done = await wait(edge, job)
    assert done["state"] == "succeeded"
    assert done["tries"] >= 2


async def test_job_is_given_up_after_some_failures_of_the_backend(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.jobs.attempts.FIRST_WAIT_S", 0.0)
    monkeypatch.setattr("gateway.jobs.worker.POLL_S", 0.01)
    server.answer = Response(b"Error executing denoise", 500)
    async with running_edge(server, root, jobs_dir=folder, job_tries=3, is_ready=False) as edge:
        edge.app.state.edge.readiness.state = type(edge.app.state.edge.readiness.state)("")
        edge.app.state.edge.readiness.note_success()
        job = await wait(edge, await submit(edge))
        assert (job["state"], job["tries"]) == ("failed", 3)
        assert job["problem"]["type"] == "urn:photorestore:problem:backend-unavailable"


async def test_jobs_wait_while_the_service_is_not_ready(edge: EdgeClient, server: FakeTorchServe) -> None:
    server.ready_workers = 0
    await edge.app.state.edge.readiness.look()
    job = await submit(edge)
    await asyncio.sleep(0.05)
    assert (await look(edge, job))["state"] == "queued"
    server.ready_workers = 1
    assert (await wait(edge, job))["tries"] == 1


async def test_the_end_puts_running_jobs_back_and_the_next_start_does_them(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    async with running_edge(server, root, jobs_dir=folder, max_jobs=1, drain_s=0.05) as edge:
        server.is_open.clear()
        jobs = [await submit(edge, seed=seed) for seed in range(2)]
        await until(lambda: server.inferences)
    server.is_open.set()
    async with running_edge(server, root, jobs_dir=folder) as edge:
        done = [await wait(edge, job) for job in jobs]
        assert [(job["state"], job["tries"]) for job in done] == [("succeeded", 1), ("succeeded", 1)]
        assert (await edge.get(done[0]["links"]["result"])).status_code == 200
    await emptied(folder / "uploads")


async def test_the_end_waits_for_running_jobs(server: FakeTorchServe, root: Path, folder: Path) -> None:
    async with running_edge(server, root, jobs_dir=folder) as edge:
        server.is_open.clear()
        job = await submit(edge)
        await until(lambda: server.inferences)
        edge.app.state.edge.readiness.drain()
        waiting = await submit(edge, seed=1)
        asyncio.get_running_loop().call_later(0.1, server.is_open.set)
    async with running_edge(server, root, jobs_dir=folder, is_ready=False) as edge:
        assert (await look(edge, job))["state"] == "succeeded"
        assert (await wait(edge, waiting))["state"] == "succeeded"


async def test_job_at_which_the_service_dies_again_and_again_is_given_up(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    async with running_edge(server, root, jobs_dir=folder, drain_s=0.01) as edge:
        server.is_open.clear()
        job = await submit(edge)
        await until(lambda: server.inferences)
    store = Store(SqliteDatabase(folder / "jobs.sqlite"))
    for _ in range(2):
        assert store.begin(job["id"], 0.0) is not None
        (record,) = store.running()
        store.put_back(record, 0.0, is_try=True)
    store.begin(job["id"], 0.0)
    store.close()
    server.is_open.set()
    async with running_edge(server, root, jobs_dir=folder, job_tries=3) as edge:
        given_up = await wait(edge, job)
        assert (given_up["state"], given_up["tries"]) == ("failed", 3)
        assert given_up["problem"]["type"] == "urn:photorestore:problem:internal"
        await emptied(folder / "uploads")


async def test_what_a_sudden_end_left_is_deleted_at_the_start(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    for part in ("uploads/1700000000-0", "results"):
        (folder / part).mkdir(parents=True)
    (folder / "results" / "0.result").write_bytes(b"x")
    (folder / "results" / ".0.result.tmp").write_bytes(b"x")
    async with running_edge(server, root, jobs_dir=folder):
        await emptied(folder / "uploads")
        await emptied(folder / "results")


async def test_a_folder_serves_one_edge(edge: EdgeClient, root: Path, folder: Path) -> None:
    with pytest.raises(ValueError, match="in use"):
        create_app(GatewaySettings(workspace_root=root, jobs_dir=folder))


async def test_jobs_and_results_expire(server: FakeTorchServe, root: Path, folder: Path) -> None:
    async with running_edge(server, root, jobs_dir=folder, job_expiry_s=1e-6) as edge:
        job = await submit(edge)
        await until(lambda: metric(edge, "jobs_ended_total", state="succeeded"))
        edge.app.state.edge.jobs.sweeper.sweep()
        assert problem(await edge.get(job["links"]["self"])) == (404, "not-found")
        assert names(folder / "results") == []


async def test_the_oldest_results_make_room(server: FakeTorchServe, root: Path, folder: Path) -> None:
    async with running_edge(server, root, jobs_dir=folder, job_results_bytes=4000) as edge:
        jobs = [await wait(edge, await submit(edge, seed=seed)) for seed in range(4)]
        edge.app.state.edge.jobs.sweeper.sweep()
        answers = [await edge.get(job["links"]["result"]) for job in jobs]
        statuses = [answer.status_code for answer in answers]
        assert statuses == sorted(statuses, reverse=True)
        assert {statuses[0], statuses[-1]} == {410, 200}
        assert problem(answers[0]) == (410, "result-gone")
        first = await look(edge, jobs[0])
        assert (first["state"], first["result"], "result" in first["links"]) == ("succeeded", None, False)
        assert sum(file.stat().st_size for file in (folder / "results").iterdir()) <= 4000
