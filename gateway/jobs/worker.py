"""Does the jobs: owners in turn, some at a time, each when there is room beside requests that somebody waits for."""

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
from gateway.jobs.files import JobFiles
from gateway.jobs.records import Record
from gateway.jobs.store import Store
from gateway.restore.admission import Admission
from gateway.settings import GatewaySettings
from gateway.torchserve.readiness import Readiness
from photorestore.envelope import Problem
from photorestore.errors import RestorationError

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""Between looks at the queue when nothing calls for one."""
ADOPT_EVERY_S = 10.0


@dataclass(slots=True)
class Worker:
    """Takes jobs out of the queue.

    Attributes:
        on_end: called with each job that has ended here.
    """

    settings: GatewaySettings
    store: Store
    files: JobFiles
    attempts: Attempts
    admission: Admission
    readiness: Readiness
    on_end: Callable[[], None]
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _is_stopping: bool = False
    _lacks_room: bool = False
    _adopted: float = float("-inf")

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def note_freed(self) -> None:
        """A restoration has given its place back: what waits for one may begin."""
        if self._lacks_room:
            self.wake()

    def cancel(self, job_id: str) -> None:
        """Wait no longer for a job. Unless somebody else waits for its run, that ends with the stage at work."""
        if (task := self._tasks.get(job_id)) is not None:
            task.cancel()

    def states(self, job_id: str) -> dict[str, str]:
        """Return how far the stages of a running job are. Blocking."""
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

    def stop(self) -> None:
        """Take no more jobs."""
        self._is_stopping = True
        self.wake()

    async def drain(self, seconds: float) -> None:
        """Let running jobs end, when `run` has; those that take longer wait for the next start."""
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _adopt(self) -> None:
        """Put the jobs back that run by their records alone, and give those up with which that came about too often.

        The service may have ended suddenly, or an end may not have been entered.
        """
        if time.monotonic() < self._adopted + ADOPT_EVERY_S:
            return
        at_work = set(self._tasks)
        for record in await asyncio.to_thread(self.store.running):
            if record.id in at_work:
                continue
            if record.tries < self.settings.job_tries:
                logger.warning("job %s: put back after try %d, which nobody ended", record.id, record.tries)
                await asyncio.to_thread(self.store.put_back, record, 0.0, is_try=True)
                continue
            logger.error("job %s: given up after %d tries", record.id, record.tries)
            if await asyncio.to_thread(self.attempts.fail, record, Problem.internal("gateway")):
                await self._let_go(record)
        self._adopted = time.monotonic()

    async def _take(self) -> bool:
        """Begin a job, if there is one and room for it."""
        if self.readiness.problem or len(self._tasks) >= self.settings.max_jobs:
            return False
        record = await asyncio.to_thread(self._next)
        self._lacks_room = record is not None and not self.admission.has_room(record.work.pixels)
        if record is None or self._lacks_room:
            return False
        begun = await asyncio.to_thread(self.store.begin, record.id, clock.now())
        if begun is not None:
            task = asyncio.create_task(self._work(begun))
            self._tasks[begun.id] = task
            task.add_done_callback(lambda _: self._leave(begun.id))
        return True

    def _next(self) -> Record | None:
        """The job that is to be begun, among those for which shared memory has room."""
        free, total = self.attempts.room()
        return self.store.next_queued(clock.now(), free, total)

    def _leave(self, job_id: str) -> None:
        self._tasks.pop(job_id, None)
        self.wake()

    async def _work(self, record: Record) -> None:
        logger.info("job %s: try %d, request %s", record.id, record.tries, record.work.request_id)
        try:
            if await entered(record.id, await self.attempts.attempt(record)):
                await self._let_go(record)
        except asyncio.CancelledError:
            with contextlib.suppress(RestorationError):  # the next start puts it back
                await asyncio.to_thread(self.attempts.put_back, record, is_try=False)
            raise
        except Exception:
            logger.exception("job %s: its end could not be entered", record.id)  # it will be adopted

    async def _let_go(self, record: Record) -> None:
        """A job has ended."""
        await asyncio.to_thread(self.files.drop_upload, record.work.upload)
        self.on_end()
