"""Whether the edge reports ready."""

from pathlib import Path

import pytest

from photorestore.options import STAGES
from photorestore.serving.handler import StageHandler
from tests.edge import FakeTorchServe, make_picture, metric, problem, running_edge, until

pytestmark = pytest.mark.anyio


async def test_ready_when_a_canary_came_back(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root, is_ready=False) as edge:
        assert (await edge.get("/readyz")).status_code == 503
        await until(lambda: not edge.app.state.edge.readiness.problem)
        document = (await edge.get("/readyz")).json()
        assert document["ready"] is True
        assert set(document["stages"]) == set(STAGES)
        assert [envelope["request_id"] for envelope in server.inferences] == ["canary"]


async def test_readiness_follows_torchserve(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:

        async def problem_now() -> str:
            await edge.app.state.edge.readiness.look()
            return (await edge.get("/readyz")).json()["problem"]

        server.ready_workers = 0
        assert "no worker is ready for preprocess" in await problem_now()
        server.ready_workers = 1
        assert await problem_now() == ""
        server.is_up = False
        assert "does not answer" in await problem_now()
        assert (await edge.get("/livez")).status_code == 200
        server.is_up = True
        assert await problem_now() == ""


async def test_another_workspace_root_is_found_out(
    server: FakeTorchServe, root: Path, handlers: dict[str, StageHandler], tmp_path: Path
) -> None:
    for handler in handlers.values():
        handler.root = tmp_path / "elsewhere"
    async with running_edge(server, root, is_ready=False) as edge:
        await edge.app.state.edge.readiness.look()
        answer = await edge.get("/readyz")
        assert answer.status_code == 503
        assert str(root) in answer.json()["problem"]


async def test_missing_workflow_is_registered_again(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        server.is_registered = False
        await until(lambda: edge.app.state.edge.readiness.problem)
        assert problem(await edge.post("/v1/restore", content=make_picture())) == (503, "backend-unavailable")
        await until(lambda: not edge.app.state.edge.readiness.problem)
    assert server.registrations == 1


async def test_workflow_is_looked_for_by_the_name_that_the_edge_is_told(
    server: FakeTorchServe, root: Path
) -> None:
    server.workflow = "restore_next"
    server.is_registered = False
    async with running_edge(server, root, workflow="restore_next") as edge:
        assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200
    assert server.registrations == 1


async def test_drain_says_not_ready_but_answers(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        edge.app.state.edge.readiness.drain()
        assert (await edge.get("/readyz")).status_code == 503
        assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200
        assert metric(edge, "ready") == 0
