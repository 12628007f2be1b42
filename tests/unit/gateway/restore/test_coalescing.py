"""Runs in flight."""

import asyncio
from pathlib import Path

import pytest

from gateway.restore.coalescing import InFlight
from tests.edge import FakeTorchServe, make_picture, metric, problem, running_edge

pytestmark = pytest.mark.anyio


async def test_shutdown_waits_for_runs_whose_callers_left(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        server.is_open.clear()
        answer = await edge.post("/v1/restore?stages=&timeout=1", content=make_picture())
        assert problem(answer) == (504, "deadline-exceeded")
        assert metric(edge, "in_flight_requests") == 1  # TorchServe is still at it
        server.is_open.set()
    assert list(root.iterdir()) == []


async def test_a_run_is_found_only_while_it_is_in_flight() -> None:
    runs: InFlight[int] = InFlight()
    gate = asyncio.Event()

    async def run() -> int:
        await gate.wait()
        return 3

    started = runs.start("key", run())
    assert runs.find("key") is started
    assert runs.find("other") is None
    gate.set()
    assert await started == 3
    assert runs.find("key") is None


async def test_runs_that_take_too_long_are_cancelled_at_the_end() -> None:
    runs: InFlight[None] = InFlight()
    task = runs.start("key", asyncio.sleep(60))
    await runs.drain(0.01)
    assert task.cancelled()
