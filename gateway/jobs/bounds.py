"""Limits of the queue, and what they leave to each owner."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import TooManyRequests
from gateway.jobs.database import Connection

WAITING = """
SELECT count(*) AS jobs, coalesce(sum(upload_bytes), 0) AS bytes, count(*) FILTER (WHERE owner = :owner) AS own,
    coalesce(sum(upload_bytes) FILTER (WHERE owner = :owner), 0) AS own_bytes FROM jobs WHERE state = 'queued'
"""
"""Counts the queue, and what is one owner's of it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the queue: jobs that wait, and the bytes of their uploads."""

    jobs: int
    upload_bytes: int

    def check(self, db: Connection, owner: str, upload_bytes: int, retry_after_s: float) -> None:
        """Refuse one more job.

        Args:
            upload_bytes: the size of its upload.
            retry_after_s: for the error, seconds after which a new try is worth while.

        Raises:
            TooManyRequests: the queue is full, or this owner would hold more of it than is left for others.
        """
        (found,) = db.execute(WAITING, {"owner": owner}).fetchall()
        waiting, waiting_bytes = found["jobs"], int(found["bytes"])
        if waiting >= self.jobs:
            raise TooManyRequests("jobs", f"{waiting} jobs wait; the limit is {self.jobs}", retry_after_s)
        left, left_bytes = self.jobs - waiting - 1, self.upload_bytes - waiting_bytes - upload_bytes
        if left_bytes < 0:
            text = f"jobs of {waiting_bytes >> 20} MiB wait; the limit is {self.upload_bytes >> 20} MiB"
            raise TooManyRequests("jobs", text, retry_after_s)
        if owner and (found["own"] > left or found["own_bytes"] > left_bytes):
            text = f"{found['own']} jobs of this API key wait; what is left of the queue is kept for others"
            raise TooManyRequests("jobs", text, retry_after_s)
