"""Whether restorations will succeed.

They will if the workflow is registered, every stage has a worker, shared memory has room and is the same for the edge
and TorchServe, and a restoration, or else a small test picture (the canary), came back of late.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from gateway.settings import GatewaySettings
from gateway.torchserve.client import TorchServeClient
from gateway.torchserve.metrics import WorkerMetrics
from photorestore.errors import BrokenArtifact, RestorationError
from photorestore.housekeeping import sweep
from photorestore.options import Options
from photorestore.serving.management import Node
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)

CANARY_SIDE_PX = 16
CANARY_TIMEOUT_S = 60.0
SWEEP_EVERY_S = 15.0
LEAST_FREE_BYTES = 16 << 20
"""Least free shared memory; with less, even small pictures are refused."""


@dataclass(frozen=True, slots=True)
class State:
    """The result of one look at TorchServe.

    Attributes:
        problem: why restorations would fail; empty when they would succeed.
        nodes: the stages' workers.
    """

    problem: str = "not looked at yet"
    nodes: tuple[Node, ...] = ()


class Readiness:
    """Looks at TorchServe periodically, and registers the workflow when it is missing.

    Args:
        on_ready: called when the service has become ready.
        is_busy: returns whether restorations are in flight, behind which a canary would only wait.

    Attributes:
        state: the result of the last look.
        find_more: returns another problem, or an empty text; called in a thread.
        draining_since: when the edge was told to stop, by the monotonic clock; None before that.
    """

    def __init__(
        self,
        client: TorchServeClient,
        settings: GatewaySettings,
        metrics: WorkerMetrics,
        on_ready: Callable[[], None],
        is_busy: Callable[[], bool],
    ) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics
        metrics.ready.set_function(lambda: not self.problem)
        self._on_ready = on_ready
        self._is_busy = is_busy
        self._missing_since: float | None = None
        self._succeeded = float("-inf")
        self._swept = time.monotonic()
        self.state = State()
        self.find_more: Callable[[], str] = lambda: ""
        self.draining_since: float | None = None

    @property
    def problem(self) -> str:
        """Return why no request should be sent here; empty when the service is ready."""
        return self.state.problem if self.draining_since is None else "the service is about to stop"

    def drain(self) -> None:
        """Report not ready from now on."""
        self.draining_since = self.draining_since or time.monotonic()

    def note_success(self) -> None:
        """Note that a restoration came back, so that no canary is needed for a while."""
        self._succeeded = time.monotonic()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
                await self._sweep()
            except Exception:
                logger.exception("the look at TorchServe failed")
                self.state = State("the look at TorchServe failed")
            await asyncio.sleep(self._settings.poll_s)

    async def look(self) -> None:
        """Look once."""
        was_ready = not self.state.problem
        nodes = tuple(await self._client.nodes())
        problem = await self._find_problem(nodes)
        self.state = State(problem, nodes)
        self._metrics.observe((*nodes, await self._client.whole()))
        if was_ready and problem:
            logger.warning("not ready: %s", problem)
            self._succeeded = float("-inf")
        elif not was_ready and not problem:
            logger.info("ready")
            self._on_ready()

    async def _find_problem(self, nodes: tuple[Node, ...]) -> str:
        is_registered = await self._client.is_registered()
        if is_registered is None:
            return "TorchServe does not answer"
        if not is_registered:
            await self._consider_registration()
            return "the workflow is not registered"
        self._missing_since = None
        if idle := [node.stage for node in nodes if not node.ready]:
            return f"no worker is ready for {', '.join(idle)}"
        if problem := await asyncio.to_thread(self._find_lack):
            return problem
        is_known = time.monotonic() - self._succeeded < self._settings.canary_s
        if is_known or (not self.state.problem and self._is_busy()):
            return ""
        return await self._send_canary()

    def _find_lack(self) -> str:
        """Return what shared memory or the jobs lack; empty when there is room. Blocking."""
        with contextlib.suppress(FileNotFoundError):  # the next picture creates it
            free_bytes = shutil.disk_usage(self._settings.workspace_root).free
            if free_bytes < LEAST_FREE_BYTES:
                return f"shared memory is full: {free_bytes >> 20} MiB are free"
        return self.find_more()

    async def _consider_registration(self) -> None:
        """Register the workflow if it has been missing for a while and nobody else is registering it.

        Two registrations at once would undo each other's models.
        """
        if not await self._client.is_bare():
            self._missing_since = None
            return
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        if now - self._missing_since < self._settings.register_after_s:
            return
        self._missing_since = None
        logger.warning("the workflow is missing: registering it")
        try:
            await self._client.register()
        except RestorationError as error:
            logger.error("%s", error)  # noqa: TRY400 - the message is enough

    async def _send_canary(self) -> str:
        """Send a small picture through the workflow; return what is wrong, or an empty text.

        It comes back only if TorchServe's workers use the same folder of workspaces.
        """
        root = self._settings.workspace_root
        options = Options(stages=(), format="png", timeout_s=CANARY_TIMEOUT_S)
        try:
            workspace = Workspace.create(root, options, request_id="canary")
            workspace.envelope.answer = "report"
            try:
                workspace.write_file("upload", _canary())
                async with asyncio.timeout(CANARY_TIMEOUT_S):
                    await self._client.restore(workspace.envelope)
                if not workspace.path("result").exists():
                    raise BrokenArtifact("it came back in another folder")
            finally:
                workspace.remove()
        except TimeoutError:
            return f"the canary picture did not come back in {CANARY_TIMEOUT_S:g} s"
        except (RestorationError, OSError) as error:
            return f"the canary picture failed: {error} (the backend must see {root}, too)"
        self.note_success()
        return ""

    async def _sweep(self) -> None:
        if time.monotonic() - self._swept > SWEEP_EVERY_S:
            self._swept = time.monotonic()
            await asyncio.to_thread(sweep, self._settings.workspace_root)


def _canary() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (CANARY_SIDE_PX, CANARY_SIDE_PX), "grey").save(file, "PNG")
    return file.getvalue()
