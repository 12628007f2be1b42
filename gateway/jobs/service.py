"""The jobs of the edge, without their HTTP: submitted, found, cancelled and swept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Self

from gateway.errors import JobHasNoResult, JobsUnavailable, NotFound, ResultGone
from gateway.jobs import clock
from gateway.jobs.attempts import Attempts
from gateway.jobs.bounds import Bounds
from gateway.jobs.destinations import Destinations
from gateway.jobs.documents import document
from gateway.jobs.elsewhere import Elsewhere
from gateway.jobs.forecast import Forecast
from gateway.jobs.metrics import JobMetrics
from gateway.jobs.places import open_places
from gateway.jobs.records import ENDED, PATH, Record
from gateway.jobs.signatures import read_secrets
from gateway.jobs.sweeper import Sweeper
from gateway.jobs.webhooks import Patience, Webhooks
from gateway.jobs.worker import Worker
from gateway.restore.admission import Admission
from gateway.restore.release import Release
from gateway.restore.results import Result
from gateway.restore.runner import Runner
from gateway.restore.transfers import Transfers
from gateway.settings import GatewaySettings
from gateway.torchserve.readiness import Readiness

logger = logging.getLogger(__name__)


class Jobs:
    """The jobs of one edge. They are run as long as its context is open.

    Args:
        release: returns the release that restores at present.

    Attributes:
        store: the records.
        files: the uploads and results.
        elsewhere: reads pictures that are not uploaded, and writes results.
        webhooks: sends the webhooks when jobs end.
        sweeper: deletes what is no longer needed.

    Raises:
        OSError, ValueError: as `open_places`, or the settings of webhooks are invalid.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        runner: Runner,
        admission: Admission,
        readiness: Readiness,
        metrics: JobMetrics,
        transfers: Transfers,
        release: Callable[[], Release],
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._metrics = metrics
        self._bounds = Bounds(settings.max_queued_jobs, settings.max_queued_bytes)
        destinations = Destinations.parse(settings.webhook_hosts, "webhook")
        self.elsewhere = Elsewhere(settings)
        patience = Patience(settings.webhook_tries, settings.webhook_wait_s)
        if settings.webhook_secret_file is not None:
            read_secrets(settings.webhook_secret_file)
        with contextlib.ExitStack() as opened:
            self.store, self.files = opened.enter_context(open_places(settings))
            self._opened = opened.pop_all()
        self._forecast = Forecast(self.store, settings.max_jobs)
        self.webhooks = Webhooks(
            self.store, metrics, destinations, settings.webhook_secret_file, patience, self.path_of
        )
        self.sweeper = Sweeper(settings, self.store, self.files, patience)
        attempts = Attempts(
            settings, self.store, self.files, self.elsewhere, runner, metrics, transfers, release
        )
        self._worker = Worker(
            settings, self.store, self.files, attempts, admission, readiness, self.webhooks.wake
        )
        admission.on_freed = self._worker.note_freed
        if not self.store.is_shared:  # what all edges lack, no other edge can do instead
            readiness.find_more = self.files.find_problem

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.sweeper.recover)
        self._working = asyncio.create_task(self._worker.run())
        others = [self.webhooks.run(), self.sweeper.run()]
        if self.store.is_shared:
            others.append(self._worker.hold())
        self._others = [asyncio.create_task(other) for other in others]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain(0)
        for task in self._others:
            task.cancel()
        await asyncio.gather(*self._others, return_exceptions=True)
        self._opened.close()

    async def drain(self, seconds: float) -> None:
        """Wait until running jobs have ended; those that take longer are run again after the next start."""
        self._worker.stop()
        await self._working
        await self._worker.drain(seconds)

    async def check_room(self, owner: str, idempotency_key: str | None) -> None:
        """Refuse before the upload what would be refused after it.

        Raises:
            TooManyRequests: the queue is full, or holds too many jobs of this owner.
        """
        await asyncio.to_thread(
            self.store.check_room, owner, idempotency_key, self._bounds, self._admission.retry_after_s
        )

    async def submit(self, record: Record) -> tuple[Record, bool]:
        """Add a job; return it and whether it is new.

        If its idempotency key is known, the known job is returned, and the new upload is deleted.

        Raises:
            IdempotencyKeyReused: the key was used for a different request.
            TooManyRequests: the queue is full, or holds too many jobs of this owner.
            OutOfSpace: the disk is full.
            JobsUnavailable: it is read-only or failing.
        """
        known, is_new = await asyncio.to_thread(self._add, record)
        self._worker.wake()
        return known, is_new

    def _add(self, record: Record) -> tuple[Record, bool]:
        is_needed = False
        try:
            known, is_needed = self.store.add(record, self._bounds, self._admission.retry_after_s)
        except JobsUnavailable:
            is_needed = self.store.is_shared  # the word that it was added may be all that was lost
            raise
        finally:
            if not is_needed:
                self.files.drop_upload(record.work.upload)
        return known, is_needed

    async def find(self, job_id: str, owner: str) -> Record:
        """Return a job of this owner.

        Raises:
            NotFound: there is none, or it is another owner's.
        """
        record = await asyncio.to_thread(self.store.find, job_id, owner)
        if record is None:
            raise NotFound(f"there is no job {job_id[:64]}; jobs are forgotten some time after their end")
        return record

    async def observe(self) -> None:
        """Record in the metrics how many jobs there are, if that can be known now."""
        with contextlib.suppress(JobsUnavailable):
            self._metrics.observe(await asyncio.to_thread(self.store.counts))

    @property
    def path(self) -> str:
        """Return the path of all jobs' URL, as callers see it."""
        return f"{self._settings.public_path}{PATH}"

    def path_of(self, record: Record) -> str:
        """Return the path of a job's URL, as callers see it."""
        return f"{self.path}/{record.id}"

    async def describe(self, record: Record) -> dict[str, object]:
        """Return the JSON document of a job for its caller."""
        if record.state in ENDED:
            return document(record, {}, self.path_of(record))
        outlook = await asyncio.to_thread(self._forecast.of, record.id)
        if record.state == "queued":
            return document(record, record.progress, self.path_of(record), outlook=outlook)
        states = await asyncio.to_thread(self._worker.states, record.id)
        steps = await asyncio.to_thread(self._worker.attempts.steps, record.id)
        return document(record, states or record.progress, self.path_of(record), steps, outlook)

    async def result(self, record: Record, kind: str) -> Result:
        """Return a job's result.

        Args:
            kind: the part that is wanted, one of `RETURNS`.

        Raises:
            JobHasNoResult: the job has not succeeded, or its result has no such part.
            ResultGone: the result was deleted to make room for later ones.
        """
        if record.state != "succeeded":
            raise JobHasNoResult(f"the job is {record.state}; only one that has succeeded has a result")
        if kind not in record.work.kinds:
            raise JobHasNoResult(f"the job makes {', '.join(record.work.kinds)}; there is no {kind}")
        result = await asyncio.to_thread(self.files.result, record.result_file) if record.has_result else None
        if result is None:
            raise ResultGone("the result has made room for later ones; submit the picture again")
        if kind == "confidence" and result.confidence is None:
            raise JobHasNoResult("an earlier version made the result, and no confidence of its colours")
        return result

    async def end(self, record: Record) -> None:
        """Cancel a job that is open, or delete one that has ended. A cancelled job stays until it expires.

        Raises:
            OutOfSpace: the disk is full.
            JobsUnavailable: it is read-only or failing.
        """
        now = clock.now()
        expires = now + self._settings.job_expiry_s
        is_open = record.state not in ENDED
        if is_open and await asyncio.to_thread(self.store.cancel, record.id, now, expires):
            self._worker.cancel(record.id)
            await asyncio.to_thread(self.sweeper.drop_files, record)
            self._metrics.observe_end(record, "cancelled", now)
            self.webhooks.wake()
            logger.info("job %s: cancelled", record.id)
        else:
            await asyncio.to_thread(self._forget_ended, record)

    def _forget_ended(self, record: Record) -> None:
        """Delete a job that has ended, maybe only a moment ago, unless it was cancelled."""
        now = self.store.find(record.id, record.owner)
        if now is not None and now.state != "cancelled":
            self.sweeper.forget(now)
