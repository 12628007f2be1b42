"""Deletes jobs that have expired, results that make room, and files that have no record."""

from __future__ import annotations

import asyncio
import logging
import time

from gateway.jobs import clock
from gateway.jobs.attempts import LONGEST_WAIT_S
from gateway.jobs.files import Files
from gateway.jobs.records import Record
from gateway.jobs.store import Store
from gateway.jobs.webhooks import Patience
from gateway.settings import GatewaySettings
from photorestore.errors import RestorationError

logger = logging.getLogger(__name__)

SWEEP_EVERY_S = 10.0
TIDY_EVERY_S = 3600.0
"""Seconds between looks for files that have no record, where several edges may leave some."""


class Sweeper:
    """Deletes what is no longer needed, again and again.

    Attributes:
        problem: why records or files could not be used a moment ago; empty when they could.
    """

    def __init__(self, settings: GatewaySettings, store: Store, files: Files, patience: Patience) -> None:
        self._settings = settings
        self._store = store
        self._files = files
        self._patience = patience
        self.problem = ""

    async def run(self) -> None:
        """Sweep until cancelled."""
        tidied = float("-inf") if self._store.is_shared else float("inf")  # one's own was tidied by `recover`
        while True:
            try:
                await asyncio.to_thread(self.sweep)
                if time.monotonic() > tidied + TIDY_EVERY_S:
                    tidied = time.monotonic()
                    await asyncio.to_thread(self._tidy)
                self.problem = await asyncio.to_thread(self._files.find_problem)
            except RestorationError as error:
                self.problem = str(error)
                logger.warning("the jobs cannot be swept: %s", error)
            except Exception:
                logger.exception("the jobs could not be swept")
            await asyncio.sleep(SWEEP_EVERY_S)

    def sweep(self) -> None:
        """Delete jobs that have expired, and the oldest results beyond the limit. Blocking."""
        for record in self._store.expired(clock.now(), self._patience.longest_s):
            self.forget(record)
        for record in self._store.results_beyond(self._settings.job_results_bytes):
            logger.info("job %s: its result makes room for later ones", record.id)
            self._files.drop_result(record.result_file)
            self._store.note_dropped(record.id)

    def recover(self) -> None:
        """Clean up after a crash or a clock that was ahead, as far as the disk allows. Blocking."""
        try:
            if not self._store.is_shared:
                self._tidy()
            now = clock.now()
            self._store.limit_waits(
                now + LONGEST_WAIT_S, now + self._patience.wait_after_s(self._patience.tries)
            )
        except RestorationError as error:
            logger.warning("what the last run left of jobs cannot be set right: %s", error)

    def forget(self, record: Record) -> None:
        """Delete a job, its files first: on a full disk that makes room to change the records. Blocking."""
        self.drop_files(record)
        self._store.forget(record.id)

    def drop_files(self, record: Record) -> None:
        """Delete a job's upload and result. Blocking."""
        self._files.drop_upload(record.work.upload)
        self._files.drop_result(record.result_file)

    def _tidy(self) -> None:
        """Delete files that have no record."""
        self._files.drop_others(self._store.ids(), self._store.ids(waiting=True))
