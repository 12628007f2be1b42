"""The queries on the jobs' records: add, find, change and count."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from gateway.errors import IdempotencyKeyReused, TooManyRequests
from gateway.jobs.database import UNREADABLE, Database
from gateway.jobs.records import STATES, Outcome, Record, Webhook
from gateway.jobs.rows import BEYOND, ENDED_SQL, INSERT, NEXT, TO_TELL, to_row

_STILL = "id = ? AND state = 'running' AND tries = ?"
"""True for the try that began a job, until the job is cancelled or begun again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the queue: jobs that wait, and the bytes of their uploads."""

    jobs: int
    upload_bytes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs by state, and the Unix time since which the oldest queued one waits."""

    states: dict[str, int]
    oldest_queued: float | None


class Store(Database):
    """The records of jobs; those that are queued are the queue. Blocking."""

    def add(self, record: Record, bounds: Bounds, retry_after_s: float) -> tuple[Record, bool]:
        """Add a new job; return it and True, or the known job of the same idempotency key and False.

        Args:
            retry_after_s: for the error, seconds after which a new try is worth while.

        Raises:
            IdempotencyKeyReused: the key was used for a different request.
            TooManyRequests: the queue is full, or this owner would hold more of it than is left for others.
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
        """Return a job of this owner, or None."""
        return self._one(
            "SELECT * FROM jobs WHERE id = ? AND owner = ? AND state != ?", (job_id, owner, UNREADABLE)
        )

    def next_queued(self, now: float, free_pixels: float, all_pixels: float) -> Record | None:
        """Return the job to begin next: the oldest one of the owner who has waited longest since their last job began.

        Args:
            free_pixels: pixels that there is room for now. Larger pictures are skipped.
            all_pixels: pixels that there is room for when nothing is in flight. Even larger pictures are not skipped,
                since waiting would not help them.
        """
        return self._one(NEXT, {"now": now, "free": free_pixels, "all": all_pixels})

    def begin(self, job_id: str, now: float) -> Record | None:
        """Mark a queued job as running and return it; None if it is no longer queued."""
        return self._one(
            "UPDATE jobs SET state = 'running', started = ?, tries = tries + 1"
            " WHERE id = ? AND state = 'queued' RETURNING *",
            (now, job_id),
        )

    def put_back(self, record: Record, due: float, *, is_try: bool) -> bool:
        """Put a running job back into the queue.

        Args:
            due: Unix time from which it may be begun.
            is_try: whether this counts as one of its tries.
        """
        return self._change(
            f"UPDATE jobs SET state = 'queued', started = NULL, due = ?, tries = tries - ? WHERE {_STILL}",  # noqa: S608
            *(due, 0 if is_try else 1, record.id, record.tries),
        )

    def succeed(self, record: Record, outcome: Outcome, now: float, expires: float) -> bool:
        """Mark a running job as succeeded; return False if it was cancelled or begun anew meanwhile."""
        return self._change(
            "UPDATE jobs SET state = 'succeeded', ended = ?, expires = ?, outcome = ?, result_bytes = ?"  # noqa: S608
            f" WHERE {_STILL}",
            *(now, expires, json.dumps(asdict(outcome)), outcome.stored_bytes, record.id, record.tries),
        )

    def fail(self, record: Record, problem: dict[str, object], now: float, expires: float) -> bool:
        """Mark a running job as failed; return False if it was cancelled or begun anew meanwhile."""
        return self._change(
            f"UPDATE jobs SET state = 'failed', ended = ?, expires = ?, problem = ? WHERE {_STILL}",  # noqa: S608
            *(now, expires, json.dumps(problem), record.id, record.tries),
        )

    def cancel(self, job_id: str, now: float, expires: float) -> bool:
        """Cancel an open job; return False if it has already ended."""
        return self._change(
            "UPDATE jobs SET state = 'cancelled', ended = ?, expires = ?"
            " WHERE id = ? AND state IN ('queued', 'running')",
            *(now, expires, job_id),
        )

    def forget(self, job_id: str) -> None:
        """Delete a record."""
        self._change("DELETE FROM jobs WHERE id = ?", job_id)

    def running(self) -> list[Record]:
        """Return the jobs that are running, or were when the service stopped."""
        return self._all("SELECT * FROM jobs WHERE state = 'running'")

    def expired(self, now: float, telling_s: float) -> list[Record]:
        """Return the jobs that have expired.

        Args:
            telling_s: seconds that a job stays beyond its time while its webhook is pending.
        """
        return self._all(
            f"SELECT * FROM jobs WHERE state IN ({ENDED_SQL}) AND expires < ?"  # noqa: S608
            " AND (webhook_state IS NOT 'pending' OR expires < ?)",
            (now, now - telling_s),
        )

    def results_beyond(self, limit_bytes: int) -> list[str]:
        """Return the ids of the jobs whose results, oldest first, must go to keep all within the limit."""
        with self._using():
            rows = self._db.execute(BEYOND, (limit_bytes,)).fetchall()
        return [row["id"] for row in rows]

    def note_dropped(self, job_id: str) -> None:
        """Record that a job's result is no longer kept."""
        self._change("UPDATE jobs SET result_bytes = 0 WHERE id = ?", job_id)

    def limit_waits(self, due: float, webhook_due: float) -> None:
        """Move later times of jobs and webhooks to these Unix times: a clock that was ahead may have set them."""
        self._change("UPDATE jobs SET due = ? WHERE due > ?", due, due)
        self._change("UPDATE jobs SET webhook_due = ? WHERE webhook_due > ?", webhook_due, webhook_due)

    def webhooks_due(self, now: float, most: int) -> list[Record]:
        """Return the ended jobs whose webhooks are due: of each owner the `most` that have waited longest."""
        return self._all(TO_TELL, (now, most))

    def note_webhook(self, job_id: str, webhook: Webhook) -> bool:
        """Record how a try of a webhook went; return False if the job has been deleted."""
        return self._change(
            "UPDATE jobs SET webhook_state = ?, webhook_tries = ?, webhook_due = ?, webhook_error = ? WHERE id = ?",
            *(webhook.state, webhook.tries, webhook.due, webhook.error, job_id),
        )

    def counts(self) -> Counts:
        """Count the jobs by state."""
        with self._using():
            rows = self._db.execute(
                "SELECT state, count(*), min(created) FROM jobs GROUP BY state"
            ).fetchall()
        found = {state: (count, oldest) for state, count, oldest in rows}
        return Counts(
            {state: found.get(state, (0, None))[0] for state in STATES}, found.get("queued", (0, None))[1]
        )

    def ids(self, *, waiting: bool = False) -> set[str]:
        """Return the ids of all jobs, or only of those whose uploads may still be needed."""
        query = "SELECT id FROM jobs" + (f" WHERE state NOT IN ({ENDED_SQL})" if waiting else "")  # noqa: S608
        with self._using():
            rows = self._db.execute(query).fetchall()
        return {row["id"] for row in rows}

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


def _same_request(known: Record, fingerprint: str) -> Record:
    if known.fingerprint != fingerprint:
        raise IdempotencyKeyReused(
            "the Idempotency-Key stands for a job of another picture, other options or another webhook"
        )
    return known
