"""The REST edge in this process, before a stand-in for TorchServe's HTTP that runs the real handlers."""

import asyncio
import contextlib
import io
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
import yaml
from fastapi import FastAPI
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.ports import free_ports
from gateway.app import create_app, create_server
from gateway.settings import HOME, GatewaySettings
from gateway.telemetry.tracing import Tracing
from photorestore.options import STAGES
from photorestore.serving.handler import StageHandler
from photorestore.serving.management import WHOLE
from tests.conftest import make_photo
from tests.fakes import FakeContext

ENVIRONMENT = os.environ | {"PYTHONPATH": f"{HOME}/src:{HOME}"}
"""Of a process that imports what is in this checkout."""


def make_picture(h: int = 40, w: int = 60, kind: str = "PNG", seed: int = 0, **save: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(make_photo(h, w, seed)).save(file, kind, **save)
    return file.getvalue()


def make_mask(h: int = 40, w: int = 60) -> bytes:
    mask = np.zeros((h, w), np.uint8)
    mask[10:20, 10:30] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


def load_handlers(root: Path) -> dict[str, StageHandler]:
    """The handlers as TorchServe's workers would hold them."""
    handlers = {}
    for stage in STAGES:
        handlers[stage] = type("Handler", (StageHandler,), {"stage_name": stage})()
        handlers[stage].initialize(FakeContext(model_dir=str(HOME)))
        handlers[stage].root = root
    whole = handlers[WHOLE] = type("Handler", (StageHandler,), {"stage_name": WHOLE})()
    whole.root, whole.stages = root, {stage: handlers[stage].stages[stage] for stage in STAGES}
    return handlers


class FakeTorchServe:
    """Answers as TorchServe's workflow and management interfaces do.

    Attributes:
        inferences: bodies of the workflow's requests so far, and of those to the process that runs all stages.
        paths: by request id, where they were sent.
        is_open: cleared, requests to the workflow wait.
        is_registered: whether the workflow is known.
        registrations: how often it was registered.
        workflow: the name that it is registered by.
        answer: in place of the workflow's answer.
        app: the application, to be served on a port.
    """

    def __init__(self, handlers: dict[str, StageHandler]) -> None:
        self.handlers = handlers
        self.inferences: list[dict[str, Any]] = []
        self.paths: dict[str, str] = {}
        self.headers: list[dict[str, Any]] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_registered = True
        self.is_up = True
        self.registrations = 0
        self.workflow = "restore"
        self.ready_workers = 1
        self.answer: Response | None = None
        routes = [
            Route("/wfpredict/{workflow}", self._restore, methods=["POST"]),
            Route("/predictions/{workflow}_whole", self._restore, methods=["POST"]),
            Route("/workflows", self._register, methods=["POST"]),
            Route("/workflows/{workflow}", self._workflow),
            Route("/models", self._models),
            Route("/models/{name}", self._model),
            Route("/metrics", self._metrics),
        ]
        self.app = Starlette(routes=routes)
        self._transport = httpx.ASGITransport(self.app)

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        return _Switched(self)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if not self.is_up:
            raise httpx.ConnectError("connection refused", request=request)
        return await self._transport.handle_async_request(request)

    async def _restore(self, request: Request) -> Response:
        body = await request.body()
        self.inferences.append(json.loads(body))
        self.paths[self.inferences[-1]["request_id"]] = request.url.path
        self.headers.append(dict(request.headers))
        await self.is_open.wait()
        if not self.is_registered or request.path_params["workflow"] != self.workflow:
            return JSONResponse({"code": 404, "message": "Workflow not found: restore"}, 404)
        if self.answer is not None:
            return self.answer
        run = self._run_whole if request.url.path.startswith("/predictions/") else self._run
        return Response(
            await asyncio.to_thread(run, body, dict(request.headers)), media_type="application/json"
        )

    def _run_whole(self, body: bytes, headers: dict[str, Any]) -> bytes:
        (output,) = self.handlers[WHOLE].handle([{"body": body}], FakeContext(headers))
        return output

    def _run(self, body: bytes, headers: dict[str, Any]) -> bytes:
        """The nodes of workflow.yaml, one after the other."""
        dag = yaml.safe_load((HOME / "workflow.yaml").read_text())["dag"]
        outputs: dict[str, bytes] = {}
        for stage in STAGES:
            parents = [node for node in STAGES if stage in dag.get(node, [])]
            item = {f"restore__{node}": outputs[node] for node in parents}
            if len(parents) < 2:
                item = {"body": outputs[parents[0]] if parents else body}
            (outputs[stage],) = self.handlers[stage].handle([item], FakeContext(headers))
        return outputs["deliver"]

    async def _register(self, request: Request) -> Response:
        assert dict(request.query_params) == {"url": "restore.war", "workflow_name": self.workflow}
        self.registrations += 1
        self.is_registered = True
        return JSONResponse({"status": "Workflow restore has been registered and scaled successfully."})

    async def _workflow(self, request: Request) -> Response:
        is_known = self.is_registered and request.path_params["workflow"] == self.workflow
        return JSONResponse([{"workflowName": self.workflow}], 200 if is_known else 404)

    async def _models(self, request: Request) -> Response:
        names = [f"{self.workflow}__{stage}" for stage in STAGES] if self.is_registered else []
        return JSONResponse({"models": [{"modelName": name} for name in names]})

    async def _model(self, request: Request) -> Response:
        if not self.is_registered or not request.path_params["name"].startswith(f"{self.workflow}_"):
            return JSONResponse({"code": 404}, 404)
        workers = [{"status": "READY"}] * self.ready_workers + [{"status": "LOADING"}]
        return JSONResponse([{"workers": workers, "maxWorkers": 2, "jobQueueStatus": {"pendingRequests": 3}}])

    async def _metrics(self, request: Request) -> Response:
        return Response("# HELP ts_queue_latency_microseconds of TorchServe\n", media_type="text/plain")


class _Switched(httpx.AsyncBaseTransport):
    def __init__(self, server: FakeTorchServe) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._server.handle(request)


class EdgeClient(httpx.AsyncClient):
    """A client of the edge in this process.

    Attributes:
        app: the edge's application.
    """

    app: FastAPI


@contextlib.asynccontextmanager
async def running_edge(
    server: FakeTorchServe,
    root: Path,
    *,
    is_ready: bool = True,
    tracing: Tracing | None = None,
    **settings: Any,
) -> AsyncIterator[EdgeClient]:
    """Run the edge until the block ends."""
    quick = {"poll_s": 0.02, "register_after_s": 0.1, "canary_s": 600.0, "drain_s": 20.0}
    chosen = GatewaySettings(**{"workspace_root": root, **quick, **settings})
    app = create_app(chosen, server.transport, tracing)
    async with (
        app.router.lifespan_context(app),
        EdgeClient(transport=httpx.ASGITransport(app), base_url="http://edge", timeout=60) as client,
    ):
        client.app = app
        if is_ready:
            await until(lambda: not app.state.edge.readiness.problem)
            server.inferences.clear()
        yield client


@contextlib.asynccontextmanager
async def listening(
    server: FakeTorchServe, root: Path, **settings: Any
) -> AsyncIterator[tuple[int, FastAPI]]:
    """The edge on a port of this process."""
    port = free_port()
    quick = {"poll_s": 0.02, "drain_s": 5.0}
    app = create_app(
        GatewaySettings(port=port, workspace_root=root, **{**quick, **settings}), server.transport
    )
    edge = create_server(app)
    leave_signals(edge)
    serving = asyncio.create_task(edge.serve())
    try:
        await until(lambda: edge.started and not app.state.edge.readiness.problem)
        yield port, app
    finally:
        edge.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def serving(server: FakeTorchServe) -> AsyncIterator[str]:
    """The stand-in for TorchServe on a port; gives its URL."""
    port = free_port()
    config = uvicorn.Config(
        server.app, port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=1
    )
    torchserve = uvicorn.Server(config)
    leave_signals(torchserve)
    running = asyncio.create_task(torchserve.serve())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        torchserve.should_exit = True
        await running


def leave_signals(server: uvicorn.Server) -> None:
    """Keep a server from catching signals, which are the test's."""
    vars(server)["capture_signals"] = contextlib.nullcontext


def free_port() -> int:
    return free_ports(1)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Poll until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is seen from outside
            await asyncio.sleep(0.005)


def metric(client: EdgeClient, name: str, **labels: str) -> float:
    registry = client.app.state.edge.metrics.registry
    return registry.get_sample_value(f"photorestore_gateway_{name}", labels) or 0.0


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and type of a problem document, which must be a whole one."""
    document = json.loads(answer.content)
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["detail"]
    return answer.status_code, document["type"].removeprefix("urn:photorestore:problem:")
