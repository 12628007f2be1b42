"""Runs restorations: from a prepared picture to its result, from the cache, a shared run or a run of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass

from gateway.errors import PipelineProblem
from gateway.restore.admission import Admission
from gateway.restore.cache import ResultCache
from gateway.restore.coalescing import InFlight
from gateway.restore.intake import Prepared
from gateway.restore.metrics import RunMetrics
from gateway.restore.owners import Owner
from gateway.restore.results import Result, collect
from gateway.telemetry.logs import current_key, note
from gateway.telemetry.tracing import Tracing, current_traceparent
from gateway.torchserve.client import TorchServeClient
from gateway.torchserve.readiness import Readiness
from photorestore.errors import Cancelled, DeadlineExceeded, RestorationError
from photorestore.progress import noted_states, noted_steps
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """A result, and where it came from: `run`, `shared` or `kept`."""

    result: Result
    by: str


class Runner:
    """Restores prepared pictures, and removes their workspaces."""

    def __init__(
        self,
        client: TorchServeClient,
        admission: Admission,
        metrics: RunMetrics,
        readiness: Readiness,
        cache: ResultCache | None,
        tracing: Tracing,
    ) -> None:
        self.tracing = tracing
        self._client = client
        self._admission = admission
        self._metrics = metrics
        self._readiness = readiness
        self._cache = cache
        self._at_work: dict[str, Workspace] = {}
        self._waiting: Counter[str] = Counter()
        self.in_flight: InFlight[Result] = InFlight()

    async def restore(self, prepared: Prepared, owner: Owner = None) -> Finished:
        """Return the result of a prepared picture, whose workspace is removed in any case.

        Args:
            owner: who waits for it; None for a job.

        Raises:
            TooManyRequests: the restoration is not admitted.
            PipelineProblem: a stage reports a problem.
            BackendUnavailable: TorchServe does not answer.
            DeadlineExceeded: the caller's time is over; the run continues, and gives its place back at its end.
            CancelledError: the waiting task was cancelled. If no other one waits for the run, no further stage begins.
        """
        is_handed_over = False
        try:
            if (kept := await self._from_cache(prepared)) is not None:
                return self._finish(prepared, kept, "kept")
            while True:
                if (shared := self.in_flight.find(prepared.key)) is not None:
                    if (result := await self._join(shared, prepared)) is not None:
                        return self._finish(prepared, result, "shared")
                elif (run := await self._enter(prepared, owner)) is not None:
                    is_handed_over = True
                    break
        finally:
            if not is_handed_over:
                prepared.workspace.remove()
        return self._finish(prepared, await self._wait(run, prepared), "run")

    def states(self, key: str) -> dict[str, str]:
        """Return, for each stage that the run of a key has begun, `running` or the trace's outcome."""
        workspace = self._at_work.get(key)
        return {} if workspace is None else noted_states(workspace.directory)

    def steps(self, key: str) -> dict[str, tuple[int, int]]:
        """Return, for each stage of the run of a key that works for minutes, its steps done and at most."""
        workspace = self._at_work.get(key)
        return {} if workspace is None else noted_steps(workspace.directory)

    async def _enter(self, prepared: Prepared, owner: Owner) -> asyncio.Task[Result] | None:
        """Begin a run once there is a place for it; return None if an identical one has begun meanwhile."""
        place = self._admission.enter(prepared.pixels, owner)
        if place is None:
            with self.tracing.span("queue"):
                place = await self._admission.wait(prepared.pixels, owner, max(prepared.left_s, 0))
            if self.in_flight.find(prepared.key) is not None:
                self._admission.leave(place)
                return None
        run = self.in_flight.start(prepared.key, self._run(prepared))
        run.add_done_callback(lambda _: self._admission.leave(place))
        return run

    async def _join(self, shared: asyncio.Task[Result], prepared: Prepared) -> Result | None:
        """Return the result of an identical request's run; None if it was cancelled, or only its time was over."""
        logger.info("shares the run %s", prepared.key[:16])
        self._metrics.coalesced.inc()
        try:
            return await self._wait(shared, prepared)
        except PipelineProblem as error:
            kind = error.problem.type
            if kind == Cancelled.type or (kind == DeadlineExceeded.type and prepared.left_s > 0):
                return None
            raise

    async def _wait(self, run: asyncio.Task[Result], prepared: Prepared) -> Result:
        self._waiting[prepared.key] += 1
        try:
            return await asyncio.wait_for(asyncio.shield(run), max(prepared.left_s, 0))
        except TimeoutError:
            timeout_s = prepared.workspace.options.timeout_s
            raise DeadlineExceeded(f"the request was to be answered within {timeout_s:g} s") from None
        except asyncio.CancelledError:
            if self._waiting[prepared.key] == 1 and (workspace := self._at_work.get(prepared.key)):
                workspace.cancel()
            raise
        finally:
            self._waiting -= Counter({prepared.key: 1})  # removes keys that nobody waits for

    async def _run(self, prepared: Prepared) -> Result:
        workspace = self._at_work[prepared.key] = prepared.workspace
        begun = time.time()
        try:
            with self.tracing.span("run", {"photorestore.pixels": prepared.pixels}):
                workspace.envelope.traceparent = current_traceparent()
                try:
                    report = await self._client.restore(workspace.envelope)
                except PipelineProblem as error:
                    self.tracing.add_stages(error.trace, begun)
                    raise
                self.tracing.add_stages(report.trace, begun)
                result = await collect(workspace, report, wants_masks=prepared.wants_masks)
        except PipelineProblem as error:
            self._metrics.observe_problem(error.problem.type, error.problem.stage)
            raise
        except RestorationError as error:
            self._metrics.observe_problem(error.type, "")
            raise
        finally:
            del self._at_work[prepared.key]
            workspace.remove()
        self._metrics.observe_report(report)
        self._readiness.note_success()
        if self._cache is not None:
            await asyncio.to_thread(self._cache.put, prepared.key, result)
        return result

    def _finish(self, prepared: Prepared, result: Result, by: str) -> Finished:
        note(result=by)
        self._metrics.observe_key(current_key(), prepared.pixels)
        return Finished(result, by)

    async def _from_cache(self, prepared: Prepared) -> Result | None:
        if self._cache is None:
            return None
        result = await asyncio.to_thread(self._cache.get, prepared.key)
        (self._metrics.cache_misses if result is None else self._metrics.cache_hits).inc()
        return result
