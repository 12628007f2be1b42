"""Runs the jobs: a few at a time, shared fairly among owners, each when requests that somebody waits for leave room."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.jobs import clock
from gateway.jobs.attempts import Attempts
from gateway.jobs.disk_trouble import entered
from gateway.jobs.files import Files
from gateway.jobs.records import Record, subject_of
from gateway.jobs.store import Store
from gateway.jobs.watch import BEAT, FENCE, Watch
from gateway.restore.admission import Admission
from gateway.settings import GatewaySettings
from gateway.telemetry.logs import work_on
from gateway.torchserve.readiness import Readiness
from photorestore.envelope import Problem
from photorestore.errors import RestorationError
from photorestore.long_work import long_methods
from photorestore.options import Options

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""Seconds between looks at the queue when no event asks for one."""
ADOPT_EVERY_S, ADOPT = 10.0, 0.3
"""Seconds between looks for jobs that nobody works on, at most; and the part of the lease that they may be."""


@dataclass(slots=True)
class _Run:
    """A job that this edge is at work on.

    Attributes:
        held: when it was last entered that it is, by the monotonic clock.
    """

    record: Record
    task: asyncio.Task[None]
    held: float


@dataclass(slots=True)
class Worker:
    """Takes jobs from the queue and runs them.

    Attributes:
        on_end: called each time that a job has ended.
    """

    settings: GatewaySettings
    store: Store
    files: Files
    attempts: Attempts
    admission: Admission
    readiness: Readiness
    on_end: Callable[[], None]
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _runs: dict[str, _Run] = field(default_factory=dict)
    _is_stopping: bool = False
    _lacks_room: bool = False
    _adopted: float = float("-inf")
    _watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self._watch = Watch(self.settings.job_lease_s if self.store.is_shared else 0.0)

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def note_freed(self) -> None:
        """Look at the queue if a job waits for room; called when a restoration has given its place back."""
        if self._lacks_room:
            self.wake()

    def cancel(self, job_id: str) -> None:
        """Stop waiting for a job. Unless somebody else waits for its run, the run ends with the current stage."""
        if (run := self._runs.get(job_id)) is not None:
            run.task.cancel()

    def states(self, job_id: str) -> dict[str, str]:
        """Return the state of each stage that a running job has begun. Blocking."""
        return self.attempts.states(job_id)

    async def run(self) -> None:
        """Take jobs until `stop` is called."""
        while not self._is_stopping:
            try:
                await self._adopt()
                while not self._is_stopping and await self._take():
                    pass
            except RestorationError as error:
                logger.warning("the queue of jobs cannot be looked at: %s", error)
            except Exception:
                logger.exception("the queue of jobs could not be looked at")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            self._wake.clear()

    async def hold(self) -> None:
        """Say again and again that this edge is at work on its jobs, until cancelled.

        Jobs that were cancelled at another edge, or taken over by one, are let go, and so are those of which other
        edges have heard nothing for so long that they may soon take them over.
        """
        while True:
            await asyncio.sleep(BEAT * self.settings.job_lease_s)
            await asyncio.gather(*map(self._hold, list(self._runs.values())))

    async def _hold(self, run: _Run) -> None:
        now, lease_s = time.monotonic(), self.settings.job_lease_s
        try:
            async with asyncio.timeout(BEAT * lease_s):
                is_ours = await asyncio.to_thread(self._say, run.record)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody has heard of the job
            logger.warning("job %s: not said to be at work: %r", run.record.id, error)
            is_ours = now < run.held + FENCE * lease_s
        else:
            run.held = now
        if not is_ours:
            logger.warning("job %s: let go, for it is no longer this edge's", run.record.id)
            run.task.cancel()

    def _say(self, record: Record) -> bool:
        return self.store.hold(record, clock.now(), self.attempts.states(record.id))

    def stop(self) -> None:
        """Take no more jobs."""
        self._is_stopping = True
        self.wake()

    async def drain(self, seconds: float) -> None:
        """Wait until running jobs have ended, once `run` has; those that take longer run again after the next start."""
        tasks = [run.task for run in self._runs.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _adopt(self) -> None:
        """Put back jobs that are running only by their records; let those fail that have used up their tries.

        Such records are left by a crash of an edge, or by an end that could not be recorded.
        """
        if time.monotonic() < self._adopted + min(ADOPT_EVERY_S, ADOPT * self.settings.job_lease_s):
            return
        at_work = set(self._runs)
        for record in self._watch.abandoned(await asyncio.to_thread(self.store.running), at_work):
            if record.tries < self.settings.job_tries:
                logger.warning("job %s: put back after try %d, which nobody ended", record.id, record.tries)
                await asyncio.to_thread(self.store.put_back, record, 0.0, is_try=True)
                continue
            logger.error("job %s: given up after %d tries", record.id, record.tries)
            if await asyncio.to_thread(self.attempts.fail, record, Problem.internal("gateway")):
                await self._let_go(record)
        self._adopted = time.monotonic()

    async def _take(self) -> bool:
        """Begin a job if there is one and room for it; return whether to look for another."""
        if self.readiness.problem or len(self._runs) >= self.settings.max_jobs:
            return False
        record = await asyncio.to_thread(self._next)
        self._lacks_room = record is not None and not self.admission.has_room(record.work.pixels or 0)
        if record is None or self._lacks_room:
            return False
        held = time.monotonic()
        begun = await asyncio.to_thread(self.store.begin, record.id, clock.now())
        if begun is not None:
            task = asyncio.create_task(self._work(begun))
            self._runs[begun.id] = _Run(begun, task, held)
            task.add_done_callback(lambda _: self._leave(begun.id))
        return True

    def _next(self) -> Record | None:
        """Return the job to begin next, among those for which shared memory has room.

        Of those that take minutes one is at work at a time: another would wait in TorchServe, within its own time.
        """
        free, total = self.attempts.room()
        options = [Options.from_mapping(run.record.work.options) for run in list(self._runs.values())]
        return self.store.next_queued(clock.now(), free, total, long=not any(map(long_methods, options)))

    def _leave(self, job_id: str) -> None:
        self._runs.pop(job_id, None)
        self.wake()

    async def _work(self, record: Record) -> None:
        work_on(subject_of(record))
        logger.info("job %s: try %d", record.id, record.tries)
        tracing = self.attempts.runner.tracing
        try:
            with tracing.later_span("job", record.work.traceparent, {"photorestore.job": record.id}):
                if await entered(record.id, await self.attempts.attempt(record)):
                    await self._let_go(record)
        except asyncio.CancelledError:
            with contextlib.suppress(RestorationError):  # the next start puts it back
                await asyncio.to_thread(self.attempts.put_back, record, is_try=False)
            raise
        except Exception:
            logger.exception("job %s: its end could not be entered", record.id)  # `_adopt` puts it back

    async def _let_go(self, record: Record) -> None:
        """Delete the upload of a job that has ended, and tell `on_end`."""
        await asyncio.to_thread(self.files.drop_upload, record.work.upload)
        self.on_end()
