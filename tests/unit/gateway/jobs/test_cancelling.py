"""Jobs that are cancelled or deleted."""

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.jobs.folder_files import FolderFiles
from gateway.restore.results import Result
from tests.edge import (
    EdgeClient,
    FakeTorchServe,
    make_picture,
    metric,
    problem,
    running_edge,
    until,
)
from tests.jobs import KEYED, emptied, look, names, submit, wait

pytestmark = pytest.mark.anyio


async def test_waiting_jobs_can_be_cancelled(server: FakeTorchServe, root: Path, folder: Path) -> None:
    async with running_edge(server, root, jobs_dir=folder, max_jobs=1) as edge:
        server.is_open.clear()
        running, waiting = await submit(edge), await submit(edge, seed=1)
        await wait(edge, running, "running")
        for _ in range(2):  # the answer may have been lost
            assert (await edge.delete(waiting["links"]["self"])).status_code == 204
        assert (await look(edge, waiting))["state"] == "cancelled"
        assert len(names(folder / "uploads")) == 1
        server.is_open.set()
        await wait(edge, running)
        assert (await look(edge, waiting))["state"] == "cancelled"
        assert len(server.inferences) == 1
        assert metric(edge, "jobs_ended_total", state="cancelled") == 1


async def test_running_job_that_is_cancelled_leaves_no_result(
    edge: EdgeClient, server: FakeTorchServe, folder: Path
) -> None:
    server.is_open.clear()
    job = await submit(edge)
    await until(lambda: server.inferences)
    await edge.delete(job["links"]["self"])
    assert (await look(edge, job))["state"] == "cancelled"
    server.is_open.set()
    await until(lambda: metric(edge, "in_flight_requests") == 0)
    assert (await look(edge, job))["state"] == "cancelled"
    assert problem(await edge.get(f"{job['links']['self']}/result")) == (409, "job-has-no-result")
    await emptied(folder / "results")
    await emptied(folder / "uploads")


async def test_no_stage_begins_for_a_running_job_that_is_cancelled(
    edge: EdgeClient, server: FakeTorchServe, root: Path
) -> None:
    server.is_open.clear()
    job = await submit(edge)
    await until(lambda: server.inferences)
    await edge.delete(job["links"]["self"])
    await until(lambda: list(root.glob("*/cancelled")))
    server.is_open.set()
    await until(lambda: metric(edge, "in_flight_requests") == 0)
    assert metric(edge, "runs_total", outcome="cancelled") == 1
    assert metric(edge, "stage_outcomes_total", stage="preprocess", outcome="failed") == 0


async def test_run_goes_on_as_long_as_somebody_waits_for_it(edge: EdgeClient, server: FakeTorchServe) -> None:
    server.is_open.clear()
    jobs = [await submit(edge) for _ in range(2)]
    direct = asyncio.create_task(edge.post("/v1/restore?stages=&return=bundle", content=make_picture()))
    await until(lambda: metric(edge, "coalesced_total") == 2)
    for job in jobs:
        await edge.delete(job["links"]["self"])
    server.is_open.set()
    assert (await direct).status_code == 200
    assert len(server.inferences) == 1
    assert metric(edge, "runs_total", outcome="cancelled") == 0


async def test_who_asks_for_what_was_just_cancelled_gets_it(
    edge: EdgeClient, server: FakeTorchServe, root: Path
) -> None:
    server.is_open.clear()
    job = await submit(edge, "stages=&format=png")
    await until(lambda: server.inferences)
    await edge.delete(job["links"]["self"])
    await until(lambda: list(root.glob("*/cancelled")))
    again = await submit(edge, "stages=&format=png")
    await until(lambda: metric(edge, "coalesced_total") == 1)
    server.is_open.set()
    assert (await wait(edge, again))["state"] == "succeeded"
    assert len(server.inferences) == 2


async def test_job_that_is_cancelled_while_its_result_is_written_leaves_none(
    edge: EdgeClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = FolderFiles.keep
    is_writing, may_write, has_written = (threading.Event() for _ in range(3))

    def slow(self: FolderFiles, job_id: str, result: Result) -> int:
        is_writing.set()
        may_write.wait(20)
        size = keep(self, job_id, result)
        has_written.set()
        return size

    monkeypatch.setattr(FolderFiles, "keep", slow)
    job = await submit(edge)
    await until(is_writing.is_set)
    assert (await edge.delete(job["links"]["self"])).status_code == 204
    may_write.set()
    await until(has_written.is_set)
    await until(lambda: names(folder / "results") == [])
    assert (await look(edge, job))["state"] == "cancelled"


async def test_job_that_ends_while_it_is_deleted_is_forgotten(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    jobs = edge.app.state.edge.jobs
    server.is_open.clear()
    job = await submit(edge)
    await wait(edge, job, "running")
    seen = await jobs.find(job["id"], "")
    server.is_open.set()
    await wait(edge, job)
    await jobs.end(seen)
    assert problem(await edge.get(job["links"]["self"])) == (404, "not-found")


async def test_job_that_has_ended_is_forgotten_when_deleted(edge: EdgeClient, folder: Path) -> None:
    job = await wait(edge, await submit(edge, **KEYED))
    assert (await edge.delete(job["links"]["self"])).status_code == 204
    for path in (job["links"]["self"], job["links"]["result"]):
        assert problem(await edge.get(path)) == (404, "not-found")
    assert names(folder / "results") == []
    assert (await submit(edge, **KEYED))["id"] != job["id"]
