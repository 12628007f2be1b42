"""The changes of the jobs' records."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict

from gateway.errors import IdempotencyKeyReused
from gateway.jobs.bounds import Bounds
from gateway.jobs.database import Database
from gateway.jobs.lookups import Lookups
from gateway.jobs.queries import read
from gateway.jobs.records import Outcome, Record, Webhook, Work
from gateway.jobs.rows import INSERT, to_row

_KNOWN = "SELECT * FROM jobs WHERE owner = :owner AND idempotency_key = :key"
_STILL = "id = :id AND state = 'running' AND tries = :tries AND holder = :holder"
"""True for the try that began a job, until the job is cancelled or begun again."""


class Store(Lookups):
    """The records of jobs; those that are queued are the queue. Blocking.

    Each method raises OutOfSpace if there is no room for a change, and JobsUnavailable if the database cannot be
    reached, takes no changes or fails. A record that cannot be read is set aside. Each change is one statement with a
    condition, so that of several edges, or threads, that want the same one makes it.

    Attributes:
        holder: names this edge in the records of the jobs that it begins; no two are named alike.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.holder = f"{socket.gethostname()}-{secrets.token_hex(4)}"

    def add(self, record: Record, bounds: Bounds, retry_after_s: float) -> tuple[Record, bool]:
        """Add a new job; return it and True, or the known job of the same idempotency key and False.

        Args:
            retry_after_s: for the error, seconds after which a new try is worth while.

        Raises:
            IdempotencyKeyReused: the key was used for a different request.
            TooManyRequests: the queue is full, or this owner would hold more of it than is left for others.
        """
        with self._database.using(alone=True) as db:
            for known in read(db, _KNOWN, {"owner": record.owner, "key": record.idempotency_key}):
                return _same_request(known, record.fingerprint), False
            bounds.check(db, record.owner, record.work.upload_bytes, retry_after_s)
            db.execute(INSERT, to_row(record))
        return record, True

    def check_room(
        self, owner: str, idempotency_key: str | None, bounds: Bounds, retry_after_s: float
    ) -> None:
        """Refuse before an upload what `add` would refuse after it, as far as that is known.

        Raises:
            TooManyRequests: as for `add`.
        """
        with self._database.using() as db:
            if not read(db, _KNOWN, {"owner": owner, "key": idempotency_key}):
                bounds.check(db, owner, 0, retry_after_s)

    def begin(self, job_id: str, now: float) -> Record | None:
        """Mark a queued job as running and return it; None if it is no longer queued."""
        return self._one(
            "UPDATE jobs SET state = 'running', started = :now, tries = tries + 1, holder = :holder, held = :now,"
            " progress = NULL WHERE id = :id AND state = 'queued' RETURNING *",
            {"now": now, "holder": self.holder, "id": job_id},
        )

    def hold(self, record: Record, now: float, progress: Mapping[str, str]) -> bool:
        """Record that its edge is at work on a job; return False if it was cancelled, put back or taken over.

        One that this edge has ended meanwhile stays its own: what its end calls for may not be done yet.

        Args:
            progress: the states of the stages that it has begun.
        """
        return self._change(
            "UPDATE jobs SET held = :now, progress = :progress"
            " WHERE id = :id AND tries = :tries AND holder = :holder AND state NOT IN ('queued', 'cancelled')",
            _held(record, now=now, progress=json.dumps(progress)),
        )

    def learn(self, record: Record, work: Work) -> bool:
        """Record what a try has found out about the work; return False if the job is no longer this try's."""
        return self._change(
            f"UPDATE jobs SET work = :work, pixels = :pixels WHERE {_STILL}",  # noqa: S608
            _held(record, work=json.dumps(work.to_mapping()), pixels=work.pixels),
        )

    def put_back(self, record: Record, due: float, *, is_try: bool) -> bool:
        """Put a running job back into the queue.

        Args:
            due: Unix time from which it may be begun.
            is_try: whether this counts as one of its tries.
        """
        return self._change(
            "UPDATE jobs SET state = 'queued', started = NULL, due = :due, tries = tries - :off"  # noqa: S608
            f" WHERE {_STILL}",
            _held(record, due=due, off=0 if is_try else 1),
        )

    def succeed(self, record: Record, outcome: Outcome, now: float, expires: float) -> bool:
        """Mark a running job as succeeded; return False if it was cancelled or begun anew meanwhile.

        It may be called again where it is not known whether the first call went through.
        """
        return self._change(
            "UPDATE jobs SET state = 'succeeded', ended = :now, expires = :expires, outcome = :outcome,"  # noqa: S608
            f" result_bytes = :bytes WHERE {_STILL} OR (id = :id AND outcome = :outcome)",
            _held(
                record,
                now=now,
                expires=expires,
                outcome=json.dumps(outcome.to_mapping()),
                bytes=outcome.stored_bytes,
            ),
        )

    def fail(self, record: Record, problem: dict[str, object], now: float, expires: float) -> bool:
        """Mark a running job as failed; return False if it was cancelled or begun anew meanwhile."""
        return self._change(
            "UPDATE jobs SET state = 'failed', ended = :now, expires = :expires, problem = :problem"  # noqa: S608
            f" WHERE {_STILL}",
            _held(record, now=now, expires=expires, problem=json.dumps(problem)),
        )

    def cancel(self, job_id: str, now: float, expires: float) -> bool:
        """Cancel an open job; return False if it has already ended."""
        return self._change(
            "UPDATE jobs SET state = 'cancelled', ended = :now, expires = :expires"
            " WHERE id = :id AND state IN ('queued', 'running')",
            {"now": now, "expires": expires, "id": job_id},
        )

    def forget(self, job_id: str) -> None:
        """Delete a record."""
        self._change("DELETE FROM jobs WHERE id = :id", {"id": job_id})

    def note_dropped(self, job_id: str) -> None:
        """Record that a job's result is no longer kept."""
        self._change("UPDATE jobs SET result_bytes = 0 WHERE id = :id", {"id": job_id})

    def limit_waits(self, due: float, webhook_due: float) -> None:
        """Move later times of jobs and webhooks to these Unix times: a clock that was ahead may have set them."""
        self._change("UPDATE jobs SET due = :due WHERE due > :due", {"due": due})
        self._change("UPDATE jobs SET webhook_due = :due WHERE webhook_due > :due", {"due": webhook_due})

    def claim_webhook(self, record: Record, until: float) -> bool:
        """Keep other edges from sending a webhook that is due until that Unix time; return False if one was faster."""
        assert record.webhook is not None
        return self._change(
            "UPDATE jobs SET webhook_due = :until WHERE id = :id AND webhook_state = 'pending' AND webhook_due = :due",
            {"until": until, "id": record.id, "due": record.webhook.due},
        )

    def note_webhook(self, job_id: str, webhook: Webhook) -> bool:
        """Record how a try of a webhook went; return False if the job has been deleted."""
        return self._change(
            "UPDATE jobs SET webhook_state = :state, webhook_tries = :tries, webhook_due = :due, webhook_error = :error"
            " WHERE id = :id",
            {"id": job_id, **asdict(webhook)},
        )


def _held(record: Record, **values: object) -> dict[str, object]:
    """Return the values of `_STILL` and those given."""
    return {"id": record.id, "tries": record.tries, "holder": record.holder, **values}


def _same_request(known: Record, fingerprint: str) -> Record:
    if known.fingerprint != fingerprint:
        raise IdempotencyKeyReused(
            "the Idempotency-Key stands for a job of another picture, other options, places or another webhook"
        )
    return known
