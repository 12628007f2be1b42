"""One try of a job: copy its upload into a workspace, have it restored, and record the outcome."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import math
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.errors import JobsUnavailable, PlaceNotAllowed, PlaceUnavailable, ResultRefused, TooManyRequests
from gateway.http.problems import problem_of
from gateway.jobs import clock
from gateway.jobs.elsewhere import Delivery, Elsewhere
from gateway.jobs.files import Files
from gateway.jobs.metrics import JobMetrics
from gateway.jobs.records import Outcome, Record
from gateway.jobs.store import Store
from gateway.restore.intake import Prepared, prepare
from gateway.restore.parts import Received
from gateway.restore.release import Release
from gateway.restore.results import Result
from gateway.restore.runner import Runner
from gateway.restore.transfers import Transfers
from gateway.settings import GatewaySettings
from photorestore.envelope import Problem
from photorestore.errors import BrokenArtifact, OutOfSpace, RestorationError
from photorestore.long_work import check_size
from photorestore.options import Options
from photorestore.serving.answers import problem_answer
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 60.0
"""Wait before a job's next try; it doubles with each try."""
SPACE_WAIT_S = 5.0
"""Wait before a job that found no room is begun again."""
PIXEL_BYTES = 36
"""Shared memory that a picture needs at most for each pixel: 16 bits, with alpha and a mask."""

Entry = Callable[[], bool]
"""Records the outcome of a try; returns whether the job has ended. Blocking."""


@dataclass(slots=True)
class Attempts:
    """Runs single tries of jobs.

    Attributes:
        transfers: counts pictures that are fetched among the uploads.
        release: returns the release that restores at present.
    """

    settings: GatewaySettings
    store: Store
    files: Files
    elsewhere: Elsewhere
    runner: Runner
    metrics: JobMetrics
    transfers: Transfers
    release: Callable[[], Release]
    _keys: dict[str, str] = field(default_factory=dict)

    def states(self, job_id: str) -> dict[str, str]:
        """Return the state of each stage that a running job has begun. Blocking."""
        return self.runner.states(self._keys.get(job_id, ""))

    def steps(self, job_id: str) -> dict[str, tuple[int, int]]:
        """Return the steps of a running job's stages that work for minutes: done, and at most. Blocking."""
        return self.runner.steps(self._keys.get(job_id, ""))

    async def attempt(self, record: Record) -> Entry:
        """Try a job once; return the function that records the outcome."""
        try:
            prepared = await self._prepare(record)
            self._keys[record.id] = prepared.key
            finished = await self.runner.restore(prepared)
        except TooManyRequests as error:  # of uploads; or the place was taken while the upload was copied
            wait_s = error.retry_after_s if error.reason == "uploads" else 0.0
            return functools.partial(self.put_back, record, wait_s, is_try=False)
        except Exception as error:  # noqa: BLE001 - any error becomes the job's problem
            return await asyncio.to_thread(self._judge_failure, record, error)
        finally:
            self._keys.pop(record.id, None)
        # Of this try alone, so that a late one deletes no other's.
        file = f"{record.id}.{secrets.token_hex(4)}"
        delivery = Delivery(self.elsewhere, self.settings.job_tries)
        return functools.partial(self._keep, record, prepared.key, finished.result, file, delivery)

    async def _prepare(self, record: Record) -> Prepared:
        """Copy the upload into a workspace, or fetch the picture from elsewhere."""
        options = Options.from_mapping(record.work.options)
        root = self.settings.workspace_root
        workspace = Workspace.create(root, options, request_id=record.work.request_id)
        workspace.envelope.answer, workspace.envelope.measures_all = "report", True
        is_handed_over = False
        try:
            received = await self._lay_out(record, workspace)
            workspace.allow_time()
            prepared = await self._name(workspace, record, received)
            is_handed_over = True
        finally:
            if not is_handed_over:
                workspace.remove()
        return prepared

    async def _lay_out(self, record: Record, workspace: Workspace) -> Received:
        """Put the picture into its workspace; return its hashes."""
        if record.work.received is None:
            with self.transfers.uploading(record.owner):
                return await self.elsewhere.fetch(record.work.source, workspace)
        await asyncio.to_thread(self.files.lay_out, record.work.upload, workspace)
        return record.work.received

    async def _name(self, workspace: Workspace, record: Record, received: Received) -> Prepared:
        """Name the result, by the promise made when the upload was taken in, if the record has one."""
        release, work = self.release(), record.work
        if work.promise is not None and work.pixels is not None:
            workspace.envelope.promise = work.promise
            return Prepared.of(workspace, received, work.pixels, release.fingerprint, wants_masks=True)
        release.require(workspace.options)
        prepared = await prepare(workspace, received, release.fingerprint, wants_masks=True)
        check_size(workspace.options, prepared.pixels)
        if prepared.pixels != work.pixels:  # so that it is not begun again before there is room
            known = replace(work, pixels=prepared.pixels)
            await asyncio.to_thread(self.store.learn, record, known)
        return prepared

    def room(self) -> tuple[float, float]:
        """Return how many pixels shared memory has room for: now, and when it is empty."""
        try:
            memory = shutil.disk_usage(self.settings.workspace_root)
        except FileNotFoundError:  # the next picture creates it
            return math.inf, math.inf
        return memory.free / PIXEL_BYTES, memory.total / PIXEL_BYTES

    def put_back(self, record: Record, wait_s: float = 0.0, *, is_try: bool) -> bool:
        """Put a running job back into the queue; return False, since it has not ended. Blocking.

        Args:
            wait_s: seconds before it may be begun again.
            is_try: whether this counts as one of its tries.
        """
        self.store.put_back(record, clock.now() + wait_s, is_try=is_try)
        return False

    def _keep(self, record: Record, key: str, result: Result, file: str, delivery: Delivery) -> bool:
        """Write the result where the job says, keep it, and record it.

        It is kept once that place has taken it: until then the job may be cancelled between two tries, and nobody would
        delete it. It is dropped if the job was cancelled or begun anew meanwhile.
        """
        try:
            written = delivery.deliver(record.work, result)
        except (PlaceNotAllowed, ResultRefused, PlaceUnavailable) as error:
            if isinstance(error, PlaceUnavailable) and delivery.tries > 0:
                raise
            return self.fail(record, problem_of(error))
        stored_bytes = self.files.keep(file, result)
        stages = {stage: trace.outcome for stage, trace in result.report.trace.items()}
        outcome = Outcome(key, result.content_type, stored_bytes, stages, file, written)
        now = clock.now()
        has_ended = self.store.succeed(record, outcome, now, now + self.settings.job_expiry_s)
        if has_ended:
            self._count(record, "succeeded", now)
        else:
            self.files.drop_result(file)
        return has_ended

    def _judge_failure(self, record: Record, error: Exception) -> Entry:
        """Put the job back if the error may pass by itself; otherwise let it fail."""
        problem = problem_of(error)
        is_ours = isinstance(error, RestorationError) and not isinstance(error, BrokenArtifact)
        logger.warning("job %s: %s: %s", record.id, problem.type, error, exc_info=None if is_ours else error)
        if self._is_no_fault(record, problem):
            return functools.partial(self.put_back, record, SPACE_WAIT_S, is_try=False)
        if problem.status == 503 and record.tries < self.settings.job_tries:
            wait_s = min(FIRST_WAIT_S * 2 ** (record.tries - 1), LONGEST_WAIT_S)
            return functools.partial(self.put_back, record, wait_s, is_try=True)
        return functools.partial(self.fail, record, problem)

    def _is_no_fault(self, record: Record, problem: Problem) -> bool:
        """Return whether only a lack of room that can be free again, or the jobs' folder, is the cause."""
        if problem.type == OutOfSpace.type:
            return record.work.pixels is not None and record.work.pixels <= self.room()[1]
        return problem.type == JobsUnavailable.type and bool(self.files.find_problem())

    def fail(self, record: Record, problem: Problem) -> bool:
        """Record that a job has failed; return False if it was cancelled or begun anew meanwhile. Blocking."""
        now = clock.now()
        document = json.loads(problem_answer(problem, record.work.request_id).body)
        has_ended = self.store.fail(record, document, now, now + self.settings.job_expiry_s)
        if has_ended:
            self._count(record, "failed", now)
            self.metrics.observe_problem(problem)
        return has_ended

    def _count(self, record: Record, state: str, now: float) -> None:
        self.metrics.observe_end(record, state, now)
        logger.info("job %s: %s after %.1f s", record.id, state, now - record.created)
