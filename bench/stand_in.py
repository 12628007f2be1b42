"""A stand-in for TorchServe that restores nothing, and a receiver of webhooks; both note what they see."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.ports import free_ports
from photorestore.envelope import Envelope
from photorestore.records import document_of
from photorestore.report import Report
from photorestore.source import Source
from photorestore.workspace import Workspace

RUN_S = 0.2
SIZE = (24, 32)
"""Height and width of the pictures."""
REPORT = Report(
    request_id="-",
    source=Source.of_array(*SIZE, 8),
    estimates={},
    trace={},
    content_type="image/png",
    unchanged=True,
    width=SIZE[1],
    height=SIZE[0],
    bits=8,
    dropped=(),
)


@dataclass(slots=True)
class Seen:
    """What the stand-in and the receiver of webhooks saw, by request id and job id.

    Attributes:
        runs: begun restorations.
        at_work: those that go on.
        at_once: how often one was begun that went on already.
        told: webhooks.
        ahead: how many others were at work when it came, the last time.

    Args:
        root: of the workspaces.
        at_a_time: restorations that go on at a time; further ones wait in the order of their coming.
        run_s: by request id, how long a restoration takes.
        slice_s: after so much of its time a restoration goes behind those that wait; None: it goes on to its end.
    """

    root: Path
    at_a_time: int = 1000
    run_s: Callable[[str], float] = lambda _: RUN_S
    slice_s: float | None = None
    runs: Counter[str] = field(default_factory=Counter)
    at_work: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    told: Counter[str] = field(default_factory=Counter)
    ahead: dict[str, int] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.at_a_time)

    async def restore(self, request: Request) -> Response:
        """Hand the upload back as the result."""
        envelope = Envelope.from_json(await request.body())
        name = envelope.request_id
        self.runs[name] += 1
        self.at_once += self.at_work[name] > 0
        self.ahead[name] = self.at_work.total()
        self.at_work[name] += 1
        try:
            left_s = self.run_s(name)
            while left_s > 0:
                async with self._turns:
                    await asyncio.sleep(slice_s := min(left_s, self.slice_s or left_s))
                left_s -= slice_s
            with contextlib.suppress(OSError):  # of an edge that was killed
                workspace = Workspace.open(self.root, envelope)
                shutil.copy(workspace.path("upload"), workspace.path("result"))
        finally:
            self.at_work[name] -= 1
        return JSONResponse(document_of(REPORT))

    async def hear(self, request: Request) -> Response:
        """Take a webhook."""
        self.told[request.headers["webhook-id"]] += 1
        return Response(None, 204)


@contextlib.asynccontextmanager
async def serving(seen: Seen) -> AsyncIterator[str]:
    """Run the stand-in for TorchServe and the receiver of webhooks; give their URL."""

    async def workflow(_: Request) -> Response:
        return JSONResponse([{"workflowName": "restore"}])

    async def model(_: Request) -> Response:
        return JSONResponse([{"workers": [{"status": "READY"}], "maxWorkers": 1, "jobQueueStatus": {}}])

    app = Starlette(
        routes=[
            Route("/wfpredict/restore", seen.restore, methods=["POST"]),
            Route("/workflows/restore", workflow),
            Route("/models/{name}", model),
            Route("/told", seen.hear, methods=["POST"]),
        ]
    )
    port = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    vars(server)["capture_signals"] = contextlib.nullcontext
    running = asyncio.create_task(server.serve())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
