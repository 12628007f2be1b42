"""Does the jobs: owners in turn, some at a time, each when there is room beside requests that somebody waits for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.admission import Admission
from gateway.cache import Result
from gateway.jobs.files import JobFiles
from gateway.jobs.records import Outcome, Record
from gateway.jobs.store import Store
from gateway.metrics import Metrics
from gateway.preparing import Prepared, prepare
from gateway.problems import TooManyRequests, problem_of
from gateway.readiness import Readiness
from gateway.runs import Runner
from gateway.settings import GatewaySettings
from photorestore.envelope import Problem
from photorestore.errors import BrokenArtifact, RestorationError
from photorestore.options import Options
from photorestore.serving.answers import problem_answer
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""Between looks at the queue when nothing calls for one."""
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 60.0
"""Before a job is tried again; doubles with each try."""


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

    def recover(self) -> None:
        """Put the jobs back that ran when the service ended suddenly, and give those up at which it ended too often.

        Blocking.
        """
        for record in self.store.running():
            if record.tries < self.settings.job_tries:
                self.store.put_back(record, 0.0, is_try=True)
                continue
            logger.error("job %s: given up after %d tries", record.id, record.tries)
            self._note_failure(record, Problem.internal("gateway"))

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
                while not self._is_stopping and await self._take():
                    pass
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

    async def _take(self) -> bool:
        """Begin a job, if there is one and room for it."""
        if self.readiness.problem or len(self._tasks) >= self.settings.max_jobs:
            return False
        record = await asyncio.to_thread(self.store.next_queued, time.time())
        self._lacks_room = record is not None and not self.admission.has_room(record.work.pixels)
        if record is None or self._lacks_room:
            return False
        begun = await asyncio.to_thread(self.store.begin, record.id, time.time())
        if begun is not None:
            task = asyncio.create_task(self._work(begun))
            self._tasks[begun.id] = task
            task.add_done_callback(lambda _: self._leave(begun.id))
        return True

    def _leave(self, job_id: str) -> None:
        self._tasks.pop(job_id, None)
        self._keys.pop(job_id, None)
        self.wake()

    async def _work(self, record: Record) -> None:
        logger.info("job %s: try %d, request %s", record.id, record.tries, record.work.request_id)
        try:
            prepared = await self._prepare(record)
            self._keys[record.id] = prepared.key
            finished = await self.runner.restore(prepared)
            has_ended = await asyncio.shield(self._succeed(record, prepared.key, finished.result))
        except asyncio.CancelledError:
            await asyncio.to_thread(self.store.put_back, record, 0.0, is_try=False)
            raise
        except TooManyRequests:  # the room was given away while the upload was copied
            await asyncio.to_thread(self.store.put_back, record, 0.0, is_try=False)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is becomes the job's problem
            has_ended = await self._fail(record, error)
        if has_ended:
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
            workspace.envelope.deadline = time.time() + options.timeout_s
            received, release = record.work.received, self.release()
            prepared = await prepare(workspace, received, release, wants_mask=True)
            is_handed_over = True
        finally:
            if not is_handed_over:
                workspace.remove()
        return prepared

    async def _succeed(self, record: Record, key: str, result: Result) -> bool:
        """Keep the result and enter it; if nobody wants it any more, drop it."""
        stored_bytes = await asyncio.to_thread(self.files.keep, record.id, result)
        stages = {stage: trace["outcome"] for stage, trace in result.report["trace"].items()}
        outcome = Outcome(key, result.content_type, stored_bytes, stages)
        now = time.time()
        expires = now + self.settings.job_expiry_s
        has_ended = await asyncio.to_thread(self.store.succeed, record, outcome, now, expires)
        if has_ended:
            self._count(record, "succeeded", now)
        else:
            await asyncio.to_thread(self.files.drop_result, record.id)
        return has_ended

    async def _fail(self, record: Record, error: Exception) -> bool:
        """Try again later what may pass by itself; else the job has failed."""
        problem = problem_of(error)
        is_ours = isinstance(error, RestorationError) and not isinstance(error, BrokenArtifact)
        logger.warning("job %s: %s: %s", record.id, problem.type, error, exc_info=None if is_ours else error)
        if problem.status == 503 and record.tries < self.settings.job_tries:
            wait_s = min(FIRST_WAIT_S * 2 ** (record.tries - 1), LONGEST_WAIT_S)
            await asyncio.to_thread(self.store.put_back, record, time.time() + wait_s, is_try=True)
            return False
        return await asyncio.to_thread(self._note_failure, record, problem)

    def _note_failure(self, record: Record, problem: Problem) -> bool:
        now = time.time()
        document = json.loads(problem_answer(problem, record.work.request_id).body)
        has_ended = self.store.fail(record, document, now, now + self.settings.job_expiry_s)
        if has_ended:
            self._count(record, "failed", now)
        return has_ended

    def _count(self, record: Record, state: str, now: float) -> None:
        self.metrics.jobs_ended.labels(state).inc()
        self.metrics.job_seconds.labels(state).observe(now - record.created)
        logger.info("job %s: %s after %.1f s", record.id, state, now - record.created)
