"""Finds running jobs that no edge works on any more."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from gateway.jobs.records import Record

BEAT = 0.1
"""Part of the lease after which an edge says again that it is at work on a job."""
FENCE = 0.7
"""Part of the lease after which an edge that could not say so gives the job up by itself."""


class Watch:
    """Knows since when each running job's record has not changed.

    Time is this machine's own, from the moment at which the record was first seen so: machines need not agree on the
    time, and nobody may set it for the others.

    Args:
        lease_s: how long a record may stay as it is.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._seen: dict[str, tuple[tuple[str, int, float], float]] = {}

    def abandoned(self, running: Iterable[Record], own: Collection[str]) -> list[Record]:
        """Return those of the running jobs that nobody works on.

        Args:
            own: ids of the jobs that this edge is at work on.
        """
        now = time.monotonic()
        seen: dict[str, tuple[tuple[str, int, float], float]] = {}
        found = []
        for record in running:
            if record.id in own:
                continue
            word = record.holder, record.tries, record.held
            known, since = self._seen.get(record.id, (word, now))
            seen[record.id] = word, since if known == word else now
            if now - seen[record.id][1] >= self._lease_s:
                found.append(record)
        self._seen = seen
        return found
