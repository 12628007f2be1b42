"""Finds running jobs that no edge works on any more."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from gateway.jobs.records import Record

BEAT_S = 3.0
"""Seconds after which an edge says again that it is at work on a job."""
FENCE_S = 20.0
"""Seconds without having been able to say so after which it gives the job up by itself."""
LEASE_S = 30.0
"""Seconds without such a word after which other edges take a job over; longer than `FENCE_S` and a beat."""


class Watch:
    """Knows since when each running job's record has not changed.

    Time is this machine's own, from the moment at which the record was first seen so: machines need not agree on the
    time, and nobody may set it for the others.

    Args:
        patience_s: how long a record may stay as it is.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
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
            if now - seen[record.id][1] >= self._patience_s:
                found.append(record)
        self._seen = seen
        return found
