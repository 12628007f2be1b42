"""Records of jobs in SQLite: each change is one statement, on disk before anybody hears of it."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.jobs.records import STATES, Outcome, Record, Webhook
from gateway.jobs.rows import BEYOND, ENDED_SQL, INSERT, NEXT, TO_TELL, VERSIONS, from_row, to_row
from gateway.jobs.trouble import trouble_means_retry
from gateway.problems import IdempotencyKeyReused, TooManyRequests

logger = logging.getLogger(__name__)

UNREADABLE = "unreadable"
"""State of a record that is set aside: none of a job's, so that nothing finds it but an operator."""
_STILL = "id = ? AND state = 'running' AND tries = ?"
"""Holds for whoever began a job, until it is cancelled or begun again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of the queue: jobs that wait, and the bytes of their uploads."""

    jobs: int
    upload_bytes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs by state, and since when (Unix time) the first in the queue waits."""

    states: dict[str, int]
    oldest_queued: float | None


class Store:
    """All records, in one file of this process's. For any number of threads; blocking.

    Each method raises OutOfSpace where the disk is full, and JobsUnavailable where it is read-only or failing. A record
    that cannot be read is set aside.

    Raises:
        OSError: the file cannot be used.
        ValueError: it is of a later version.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        with contextlib.ExitStack() as opened:
            try:
                self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
                opened.callback(self._db.close)
                self._db.row_factory = sqlite3.Row
                self._db.text_factory = _text
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # or else it starts on no full disk
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._migrate(file)
            except sqlite3.Error as error:
                raise OSError(f"{file}: {error}") from error
            opened.pop_all()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def add(self, record: Record, bounds: Bounds, retry_after_s: float) -> tuple[Record, bool]:
        """Enter a new job; gives it and True. What an idempotency key stands for already is given with False.

        Raises:
            IdempotencyKeyReused: it stands for another request.
            TooManyRequests: the queue is full, or this owner has more in it than would be left for others.
        """
        with self._using():
            known = self._known(record.owner, record.idempotency_key)
            if known is not None:
                return _same_request(known, record.fingerprint), False
            self._check_bounds(bounds, record.owner, record.work.upload_bytes, retry_after_s)
            self._db.execute(INSERT, to_row(record))
        return record, True

    def check_room(
        self, owner: str, idempotency_key: str | None, bounds: Bounds, retry_after_s: float
    ) -> None:
        """Refuse before an upload what `add` would refuse after it, as far as that is known.

        Raises:
            TooManyRequests: as for `add`.
        """
        with self._using():
            if self._known(owner, idempotency_key) is None:
                self._check_bounds(bounds, owner, 0, retry_after_s)

    def find(self, job_id: str, owner: str) -> Record | None:
        """A job of this owner."""
        return self._one(
            "SELECT * FROM jobs WHERE id = ? AND owner = ? AND state != ?", (job_id, owner, UNREADABLE)
        )

    def next_queued(self, now: float, free_pixels: float, all_pixels: float) -> Record | None:
        """Of the owner whose latest turn is longest ago, the job that has waited longest, if it may be begun.

        Args:
            free_pixels: for which there is room. Larger pictures are passed over ...
            all_pixels: ... unless there never is room for so many: they wait for nothing.
        """
        return self._one(NEXT, {"now": now, "free": free_pixels, "all": all_pixels})

    def begin(self, job_id: str, now: float) -> Record | None:
        """A queued job runs from now on; None if it is not queued any more."""
        return self._one(
            "UPDATE jobs SET state = 'running', started = ?, tries = tries + 1"
            " WHERE id = ? AND state = 'queued' RETURNING *",
            (now, job_id),
        )

    def put_back(self, record: Record, due: float, *, is_try: bool) -> bool:
        """A running job waits again.

        Args:
            due: when it may be begun.
            is_try: whether this was one of its tries.
        """
        return self._change(
            f"UPDATE jobs SET state = 'queued', started = NULL, due = ?, tries = tries - ? WHERE {_STILL}",  # noqa: S608
            *(due, 0 if is_try else 1, record.id, record.tries),
        )

    def succeed(self, record: Record, outcome: Outcome, now: float, expires: float) -> bool:
        """A running job has a result; False if nobody wants it any more."""
        return self._change(
            "UPDATE jobs SET state = 'succeeded', ended = ?, expires = ?, outcome = ?, result_bytes = ?"  # noqa: S608
            f" WHERE {_STILL}",
            *(now, expires, json.dumps(asdict(outcome)), outcome.stored_bytes, record.id, record.tries),
        )

    def fail(self, record: Record, problem: dict[str, object], now: float, expires: float) -> bool:
        """A running job has failed; False if nobody wants to know any more."""
        return self._change(
            f"UPDATE jobs SET state = 'failed', ended = ?, expires = ?, problem = ? WHERE {_STILL}",  # noqa: S608
            *(now, expires, json.dumps(problem), record.id, record.tries),
        )

    def cancel(self, job_id: str, now: float, expires: float) -> bool:
        """A job ends that has not ended; False if it has."""
        return self._change(
            "UPDATE jobs SET state = 'cancelled', ended = ?, expires = ?"
            " WHERE id = ? AND state IN ('queued', 'running')",
            *(now, expires, job_id),
        )

    def forget(self, job_id: str) -> None:
        """Delete a record."""
        self._change("DELETE FROM jobs WHERE id = ?", job_id)

    def running(self) -> list[Record]:
        """Jobs that run, or did when the service ended."""
        return self._all("SELECT * FROM jobs WHERE state = 'running'")

    def expired(self, now: float, telling_s: float) -> list[Record]:
        """Jobs to be forgotten.

        Args:
            telling_s: how long one stays beyond its time if somebody is yet to be told of its end.
        """
        return self._all(
            f"SELECT * FROM jobs WHERE state IN ({ENDED_SQL}) AND expires < ?"  # noqa: S608
            " AND (webhook_state IS NOT 'pending' OR expires < ?)",
            (now, now - telling_s),
        )

    def results_beyond(self, limit_bytes: int) -> list[str]:
        """The ids of the jobs whose results, the oldest, are too much for a limit."""
        with self._using():
            rows = self._db.execute(BEYOND, (limit_bytes,)).fetchall()
        return [row["id"] for row in rows]

    def note_dropped(self, job_id: str) -> None:
        """A job's result is not kept any more."""
        self._change("UPDATE jobs SET result_bytes = 0 WHERE id = ?", job_id)

    def limit_waits(self, due: float, webhook_due: float) -> None:
        """Let nothing wait beyond these times: a clock that was ahead may have set them."""
        self._change("UPDATE jobs SET due = ? WHERE due > ?", due, due)
        self._change("UPDATE jobs SET webhook_due = ? WHERE webhook_due > ?", webhook_due, webhook_due)

    def webhooks_due(self, now: float, most: int) -> list[Record]:
        """Ended jobs whose end is to be told now: of each owner as many as given, those that wait longest."""
        return self._all(TO_TELL, (now, most))

    def note_webhook(self, job_id: str, webhook: Webhook) -> bool:
        """Enter how telling it went; False if the job is forgotten by now."""
        return self._change(
            "UPDATE jobs SET webhook_state = ?, webhook_tries = ?, webhook_due = ?, webhook_error = ? WHERE id = ?",
            *(webhook.state, webhook.tries, webhook.due, webhook.error, job_id),
        )

    def counts(self) -> Counts:
        """How many there are."""
        with self._using():
            rows = self._db.execute(
                "SELECT state, count(*), min(created) FROM jobs GROUP BY state"
            ).fetchall()
        found = {state: (count, oldest) for state, count, oldest in rows}
        return Counts(
            {state: found.get(state, (0, None))[0] for state in STATES}, found.get("queued", (0, None))[1]
        )

    def ids(self, *, waiting: bool = False) -> set[str]:
        """Of all jobs; or of those alone whose uploads may still be needed."""
        query = "SELECT id FROM jobs" + (f" WHERE state NOT IN ({ENDED_SQL})" if waiting else "")  # noqa: S608
        with self._using():
            rows = self._db.execute(query).fetchall()
        return {row["id"] for row in rows}

    def _migrate(self, file: Path) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(VERSIONS):
            raise ValueError(f"{file} is of version {version}; expected {len(VERSIONS)} or less")
        if version == len(VERSIONS):
            return  # writes nothing: the disk may be full
        steps = "".join(VERSIONS[version:])
        self._db.executescript(f"BEGIN; {steps} PRAGMA user_version = {len(VERSIONS)}; COMMIT;")

    def _known(self, owner: str, idempotency_key: str | None) -> Record | None:
        row = self._db.execute(
            "SELECT * FROM jobs WHERE owner = ? AND idempotency_key = ?", (owner, idempotency_key)
        ).fetchone()
        return None if row is None else self._read(row)

    def _check_bounds(self, bounds: Bounds, owner: str, upload_bytes: int, retry_after_s: float) -> None:
        waiting, waiting_bytes, own, own_bytes = self._db.execute(
            "SELECT count(*), total(upload_bytes), count(*) FILTER (WHERE owner = :owner),"
            " total(upload_bytes) FILTER (WHERE owner = :owner) FROM jobs WHERE state = 'queued'",
            {"owner": owner},
        ).fetchone()
        if waiting >= bounds.jobs:
            raise TooManyRequests("jobs", f"{waiting} jobs wait; the limit is {bounds.jobs}", retry_after_s)
        left, left_bytes = bounds.jobs - waiting - 1, bounds.upload_bytes - waiting_bytes - upload_bytes
        if left_bytes < 0:
            text = (
                f"jobs of {int(waiting_bytes) >> 20} MiB wait; the limit is {bounds.upload_bytes >> 20} MiB"
            )
            raise TooManyRequests("jobs", text, retry_after_s)
        if owner and (own > left or own_bytes > left_bytes):
            text = f"{own} jobs of this API key wait; what is left of the queue is kept for others"
            raise TooManyRequests("jobs", text, retry_after_s)

    def _one(self, query: str, values: Any) -> Record | None:
        found = self._all(query, values)
        return found[0] if found else None

    def _all(self, query: str, values: Any = ()) -> list[Record]:
        with self._using():
            rows = self._db.execute(query, values).fetchall()
            return [record for row in rows if (record := self._read(row)) is not None]

    def _change(self, query: str, *values: Any) -> bool:
        with self._using():
            return self._db.execute(query, values).rowcount > 0

    def _read(self, row: sqlite3.Row) -> Record | None:
        """A record; one that cannot be read is set aside, with its files, and holds nobody up."""
        try:
            return from_row(row)
        except Exception as error:  # noqa: BLE001 - whatever may be in it
            text = "job %r: its record cannot be read and is set aside: %r"
            logger.error(text, row["id"], error)  # noqa: TRY400 - its text says all
            change = "UPDATE jobs SET state = ?, idempotency_key = NULL, webhook_state = NULL WHERE id = ?"
            self._db.execute(change, (UNREADABLE, row["id"]))
            return None

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock, trouble_means_retry():
            yield


def _text(content: bytes) -> str:
    """What a column holds, whatever became of it on the disk: one record must not hide the others."""
    return content.decode(errors="replace")


def _same_request(known: Record, fingerprint: str) -> Record:
    if known.fingerprint != fingerprint:
        raise IdempotencyKeyReused(
            "the Idempotency-Key stands for a job of another picture, other options or another webhook"
        )
    return known
