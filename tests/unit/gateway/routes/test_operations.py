"""The routes for operators."""

from pathlib import Path

import pytest

from tests.edge import FakeTorchServe, problem, running_edge

pytestmark = pytest.mark.anyio


async def test_metrics_of_torchserve_are_handed_on(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        answer = await edge.get("/metrics/torchserve")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
        assert "ts_queue_latency_microseconds" in answer.text
        server.is_up = False
        assert problem(await edge.get("/metrics/torchserve")) == (503, "backend-unavailable")
