"""The canary: when it is sent, and what is said where it does not come back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import request_response

from gateway.torchserve import readiness
from gateway.torchserve.readiness import Readiness, State
from tests.edge import FakeTorchServe, make_picture, running_edge, until

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def looking(server: FakeTorchServe, root: Path, **settings: Any) -> AsyncIterator[Readiness]:
    """The readiness of an edge that looks only when it is told to."""
    async with running_edge(server, root, is_ready=False, poll_s=600.0, **settings) as edge:
        found: Readiness = edge.app.state.edge.readiness
        await until(lambda: found.state != State())  # its own first look
        yield found


async def test_a_canary_is_sent_only_where_nothing_has_come_back_of_late(
    server: FakeTorchServe, root: Path
) -> None:
    async with looking(server, root, canary_s=600.0) as found:
        sent = len(server.inferences)
        assert sent == 1
        await found.look()
        assert len(server.inferences) == sent
    server.inferences.clear()
    async with looking(server, root, canary_s=1e-9) as found:
        sent = len(server.inferences)
        await found.look()
        await found.look()
        assert len(server.inferences) == sent + 2
        assert {envelope["request_id"] for envelope in server.inferences} == {"canary"}


async def test_no_canary_waits_behind_pictures_that_are_in_flight(server: FakeTorchServe, root: Path) -> None:
    async with looking(server, root, canary_s=1e-9) as found:
        sent = len(server.inferences)
        found._is_busy = lambda: True
        await found.look()
        assert found.problem == ""
        assert len(server.inferences) == sent
        found.state = State("was not ready")  # then pictures in flight prove nothing
        await found.look()
        assert len(server.inferences) == sent + 1


async def test_a_canary_that_does_not_come_back_is_said(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with looking(server, root, canary_s=1e-9) as found:
        monkeypatch.setattr(readiness, "CANARY_TIMEOUT_S", 1)
        server.is_open.clear()
        await found.look()
        server.is_open.set()
        assert found.problem == "the canary picture did not come back in 1 s"
        assert list(root.iterdir()) == [], "its workspace is gone"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"code": 500, "message": "no"}, "the restoring backend is not ready"),
        (
            {
                "type": "urn:photorestore:problem:internal",
                "status": 500,
                "detail": "a stage failed",
                "stage": "face",
            },
            "a stage failed",
        ),
    ],
)
async def test_what_a_canary_failed_of_is_said_with_the_folder_that_both_must_see(
    server: FakeTorchServe, root: Path, document: dict[str, object], told: str
) -> None:
    async with looking(server, root, canary_s=1e-9) as found:
        server.answer = JSONResponse(document)
        await found.look()
        assert found.problem.startswith(f"the canary picture failed: {told}")
        assert f"the backend must see {root}, too" in found.problem
        server.answer = None
        await found.look()
        assert found.problem == ""


async def test_full_shared_memory_is_said_before_a_canary_is_sent(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with looking(server, root, canary_s=1e-9) as found:
        sent = len(server.inferences)
        monkeypatch.setattr(readiness, "LEAST_FREE_BYTES", 1 << 62)
        await found.look()
        assert found.problem.startswith("shared memory is full: ")
        assert len(server.inferences) == sent


async def test_what_else_is_lacking_is_said(server: FakeTorchServe, root: Path) -> None:
    async with looking(server, root) as found:
        found.find_more = lambda: "the disk of jobs is full"
        await found.look()
        assert found.problem == "the disk of jobs is full"


async def test_a_picture_that_came_back_is_as_good_as_a_canary(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root, is_ready=False, poll_s=600.0) as edge:
        found: Readiness = edge.app.state.edge.readiness
        await until(lambda: found.state != State())
        found._succeeded = float("-inf")
        assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200
        assert time.monotonic() - found._succeeded < 60
        server.inferences.clear()
        await found.look()
        assert server.inferences == []


async def test_after_trouble_a_canary_has_to_come_back_first(server: FakeTorchServe, root: Path) -> None:
    async with looking(server, root) as found:
        server.inferences.clear()
        server.is_up = False
        await found.look()
        server.is_up = True
        await found.look()
        assert found.problem == ""
        assert len(server.inferences) == 1


async def test_a_workflow_is_not_registered_where_somebody_else_does(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with looking(server, root, register_after_s=1e-9) as found:
        server.is_registered = False

        async def is_bare() -> bool:
            return False

        with monkeypatch.context() as patch:
            patch.setattr(found._client, "is_bare", is_bare)
            for _ in range(3):
                await found.look()
        assert server.registrations == 0
        assert found.problem == "the workflow is not registered"
        for _ in range(2):
            await found.look()
        assert server.registrations == 1


async def test_a_refused_registration_is_logged_and_tried_again(
    server: FakeTorchServe, root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with looking(server, root, register_after_s=1e-9) as found:
        server.is_registered = False

        async def refused(request: Request) -> JSONResponse:
            server.registrations += 1
            return JSONResponse({"message": "no such archive"}, 500)

        registering = next(one for one in server.app.routes if getattr(one, "path", "") == "/workflows")
        monkeypatch.setattr(registering, "app", request_response(refused))
        for _ in range(4):
            await found.look()
        assert server.registrations >= 2
        assert "the workflow was not registered: " in caplog.text
        assert "no such archive" in caplog.text


async def test_a_look_that_fails_is_a_problem_and_not_the_last_one(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_edge(server, root) as edge:
        found: Readiness = edge.app.state.edge.readiness

        async def fail() -> list[object]:
            raise RuntimeError("unforeseen")

        with monkeypatch.context() as patch:
            patch.setattr(found._client, "nodes", fail)
            await until(lambda: found.problem == "the look at TorchServe failed")
        await until(lambda: not found.problem)


async def test_draining_is_no_problem_of_torchserves(server: FakeTorchServe, root: Path) -> None:
    async with looking(server, root) as found:
        found.drain()
        first = found.draining_since
        await asyncio.sleep(0.01)
        found.drain()
        assert found.draining_since == first
        assert (found.problem, found.state.problem) == ("the service is about to stop", "")
