"""Jobs while the wall clock is set."""

import time
from pathlib import Path

import pytest
from starlette.responses import Response

from gateway.jobs import attempts
from gateway.jobs.sqlite import SqliteDatabase
from gateway.jobs.store import Store
from tests.edge import FakeTorchServe, metric, running_edge, until
from tests.jobs import submit, wait

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]


HOUR_S = 3600.0


def step(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the wall clock."""
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + seconds)


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
async def test_results_do_not_expire_when_the_clock_is_set(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    async with running_edge(server, root, jobs_dir=folder, job_expiry_s=600.0) as edge:
        job = await wait(edge, await submit(edge))
        step(monkeypatch, seconds)
        later = await wait(edge, await submit(edge, seed=1))
        edge.app.state.edge.jobs.sweeper.sweep()
        assert (await edge.get(job["links"]["result"])).status_code == 200
        assert job["created"] <= job["started"] <= job["ended"] < later["ended"] < job["expires"]
        assert metric(edge, "job_seconds_sum", state="succeeded") < 60


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
async def test_job_waits_for_its_next_try_as_long_as_before_the_clock_was_set(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(attempts, "FIRST_WAIT_S", 1.5)
    async with running_edge(server, root, jobs_dir=folder) as edge:
        server.answer = Response(b"Error executing denoise", 500)
        job = await submit(edge)
        await until(lambda: server.inferences)
        await wait(edge, job, "queued")
        start = time.monotonic()
        server.answer = None
        step(monkeypatch, seconds)
        assert (await wait(edge, job))["tries"] == 2
        assert 1.0 < time.monotonic() - start < 15


async def test_clock_that_was_ahead_makes_nothing_wait_after_a_restart(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    async with running_edge(server, root, jobs_dir=folder, drain_s=0.01) as edge:
        server.is_open.clear()
        job = await submit(edge)
        await until(lambda: server.inferences)
    store = Store(SqliteDatabase(folder / "jobs.sqlite"))
    begun = store.begin(job["id"], 0.0)
    assert begun is not None
    store.put_back(begun, time.time() + 10 * HOUR_S, is_try=True)
    store.close()
    server.is_open.set()
    async with running_edge(server, root, jobs_dir=folder) as edge:
        found = edge.app.state.edge.jobs.store.find(job["id"], "")
        assert found.due < time.time() + 2 * attempts.LONGEST_WAIT_S
