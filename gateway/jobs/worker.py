"""Does the jobs: owners in turn, some at a time, each when there is room beside requests that somebody waits for."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.admission import Admission
from gateway.cache import Result
from gateway.jobs import clock
from gateway.jobs.files import JobFiles
from gateway.jobs.records import Outcome, Record
from gateway.jobs.store import Store
from gateway.jobs.trouble import entered
from gateway.metrics import Metrics
from gateway.preparing import Prepared, prepare
from gateway.problems import JobsUnavailable, TooManyRequests, problem_of
from gateway.readiness import Readiness
from gateway.runs import Runner
from gateway.settings import GatewaySettings
from photorestore.envelope import Problem
from photorestore.errors import BrokenArtifact, OutOfSpace, RestorationError
from photorestore.options import Options
from photorestore.serving.answers import problem_answer
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""Between looks at the queue when nothing calls for one."""
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 60.0
"""Before a job is tried again; doubles with each try."""
SPACE_WAIT_S = 5.0
"""Before a job is begun again that found no room."""
ADOPT_EVERY_S = 10.0
PIXEL_BYTES = 36
"""What a picture takes of shared memory at most: 16 bits, with alpha and a mask."""

Entry = Callable[[], bool]
"""Enters how a try went; gives whether the job has ended by that. Blocking."""


@dataclass(slots=True)
class Worker:
    """Takes jobs out of the queue.

    Attributes:
        release: gives what results depend on beside the request.
        on_end: called with each job that has ended here.
    """

    settings: GatewaySettings
    store: Store
    files: JobFiles
    runner: Runner
    admission: Admission
    readiness: Readiness
    metrics: Metrics
    release: Callable[[], str]
    on_end: Callable[[], None]
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
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
        """How far the stages of a running job are. Blocking."""
        return self.runner.states(self._keys.get(job_id, ""))

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
            if await asyncio.to_thread(self._note_failure, record, Problem.internal("gateway")):
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
        free, total = self._room()
        return self.store.next_queued(clock.now(), free, total)

    def _room(self) -> tuple[float, float]:
        """Pixels that shared memory has room for: now, and when it is empty."""
        try:
            memory = shutil.disk_usage(self.settings.workspace_root)
        except FileNotFoundError:  # the next picture makes it
            return math.inf, math.inf
        return memory.free / PIXEL_BYTES, memory.total / PIXEL_BYTES

    def _leave(self, job_id: str) -> None:
        self._tasks.pop(job_id, None)
        self._keys.pop(job_id, None)
        self.wake()

    async def _work(self, record: Record) -> None:
        logger.info("job %s: try %d, request %s", record.id, record.tries, record.work.request_id)
        try:
            if await entered(record.id, await self._try(record)):
                await self._let_go(record)
        except asyncio.CancelledError:
            with contextlib.suppress(RestorationError):  # the next start puts it back
                await asyncio.to_thread(self._put_back, record, is_try=False)
            raise
        except Exception:
            logger.exception("job %s: its end could not be entered", record.id)  # it will be adopted

    async def _try(self, record: Record) -> Entry:
        """Do a job; gives how that is entered."""
        try:
            prepared = await self._prepare(record)
            self._keys[record.id] = prepared.key
            finished = await self.runner.restore(prepared)
        except TooManyRequests:  # the room was given away while the upload was copied
            return functools.partial(self._put_back, record, is_try=False)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes the job's problem
            return await asyncio.to_thread(self._judge_failure, record, error)
        return functools.partial(self._keep, record, prepared.key, finished.result)

    async def _let_go(self, record: Record) -> None:
        """A job has ended."""
        await asyncio.to_thread(self.files.drop_upload, record.work.upload)
        self.on_end()

    async def _prepare(self, record: Record) -> Prepared:
        """Copy the upload into a workspace."""
        options = Options.from_mapping(record.work.options)
        root = self.settings.workspace_root
        workspace = Workspace.create(root, options, request_id=record.work.request_id)
        workspace.envelope.answer = "report"
        is_handed_over = False
        try:
            await asyncio.to_thread(self.files.lay_out, record.work.upload, workspace)
            workspace.allow_time()
            received, release = record.work.received, self.release()
            prepared = await prepare(workspace, received, release, wants_mask=True)
            is_handed_over = True
        finally:
            if not is_handed_over:
                workspace.remove()
        return prepared

    def _put_back(self, record: Record, wait_s: float = 0.0, *, is_try: bool) -> bool:
        self.store.put_back(record, clock.now() + wait_s, is_try=is_try)
        return False

    def _keep(self, record: Record, key: str, result: Result) -> bool:
        """Keep the result and enter it; if nobody wants it any more, drop it."""
        stored_bytes = self.files.keep(record.id, result)
        stages = {stage: trace.outcome for stage, trace in result.report.trace.items()}
        outcome = Outcome(key, result.content_type, stored_bytes, stages)
        now = clock.now()
        has_ended = self.store.succeed(record, outcome, now, now + self.settings.job_expiry_s)
        if has_ended:
            self._count(record, "succeeded", now)
        else:
            self.files.drop_result(record.id)
        return has_ended

    def _judge_failure(self, record: Record, error: Exception) -> Entry:
        """Try again later what may pass by itself; else the job has failed."""
        problem = problem_of(error)
        is_ours = isinstance(error, RestorationError) and not isinstance(error, BrokenArtifact)
        logger.warning("job %s: %s: %s", record.id, problem.type, error, exc_info=None if is_ours else error)
        if self._is_no_fault(record, problem):
            return functools.partial(self._put_back, record, SPACE_WAIT_S, is_try=False)
        if problem.status == 503 and record.tries < self.settings.job_tries:
            wait_s = min(FIRST_WAIT_S * 2 ** (record.tries - 1), LONGEST_WAIT_S)
            return functools.partial(self._put_back, record, wait_s, is_try=True)
        return functools.partial(self._note_failure, record, problem)

    def _is_no_fault(self, record: Record, problem: Problem) -> bool:
        """Whether a job failed for lack of what it is to have: room that there is at times, or a folder that works."""
        if problem.type == OutOfSpace.type:
            return record.work.pixels <= self._room()[1]
        return problem.type == JobsUnavailable.type and bool(self.files.find_problem())

    def _note_failure(self, record: Record, problem: Problem) -> bool:
        now = clock.now()
        document = json.loads(problem_answer(problem, record.work.request_id).body)
        has_ended = self.store.fail(record, document, now, now + self.settings.job_expiry_s)
        if has_ended:
            self._count(record, "failed", now)
        return has_ended

    def _count(self, record: Record, state: str, now: float) -> None:
        self.metrics.jobs_ended.labels(state).inc()
        self.metrics.job_seconds.labels(state).observe(now - record.created)
        logger.info("job %s: %s after %.1f s", record.id, state, now - record.created)
