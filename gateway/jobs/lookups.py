"""What can be asked of the jobs' records."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.jobs.queries import UNREADABLE, Queries
from gateway.jobs.records import STATES, Record
from gateway.jobs.rows import BEYOND, ENDED_SQL, LONGS, NEXT, PAGE, TO_TELL


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs by state, and the Unix time since which the oldest queued one waits."""

    states: dict[str, int]
    oldest_queued: float | None


class Lookups(Queries):
    """Finds jobs and changes none. Blocking."""

    def find(self, job_id: str, owner: str) -> Record | None:
        """Return a job of this owner, or None."""
        return self._one(
            "SELECT * FROM jobs WHERE id = :id AND owner = :owner AND state != :not",
            {"id": job_id, "owner": owner, "not": UNREADABLE},
        )

    def page(
        self, owner: str, state: str | None, before: tuple[float, str] | None, most: int
    ) -> list[Record]:
        """Return jobs of this owner, the latest first.

        Args:
            state: of those that are wanted; None for all.
            before: creation and id of a job; those that follow it are returned.
        """
        created, job_id = before or (math.inf, "")
        return self._all(
            PAGE, {"owner": owner, "state": state or "", "created": created, "id": job_id, "most": most}
        )

    def next_queued(
        self, now: float, free_pixels: float, all_pixels: float, *, long: bool = True
    ) -> Record | None:
        """Return the job to begin next: the oldest one of the owner who has waited longest since their last job began.

        Args:
            free_pixels: pixels that there is room for now. Larger pictures are skipped.
            all_pixels: pixels that there is room for when nothing is in flight. Even larger pictures are not skipped,
                since waiting would not help them.
            long: whether it may be one that takes minutes.
        """
        rooms = {"free": free_pixels, "all": all_pixels}
        return self._one(NEXT, {"now": now, **rooms, "long": int(long), "longs": LONGS})

    def running(self) -> list[Record]:
        """Return the jobs that are running, or were when their edge stopped."""
        return self._all("SELECT * FROM jobs WHERE state = 'running'", {})

    def queued(self) -> list[Record]:
        """Return the jobs that wait."""
        return self._all("SELECT * FROM jobs WHERE state = 'queued'", {})

    def turns(self) -> dict[str, int]:
        """Return by owner when a job of theirs was last begun, as a running number over all owners' jobs."""
        with self._database.using() as db:
            return {row["owner"]: row["turn"] for row in db.execute("SELECT * FROM turns", {}).fetchall()}

    def latest(self, most: int) -> list[Record]:
        """Return the jobs that have succeeded, of which `most` came last."""
        query = "SELECT * FROM jobs WHERE state = 'succeeded' ORDER BY created DESC LIMIT :most"
        return self._all(query, {"most": most})

    def expired(self, now: float, telling_s: float) -> list[Record]:
        """Return the jobs that have expired.

        Args:
            telling_s: seconds that a job stays beyond its time while its webhook is pending.
        """
        return self._all(
            f"SELECT * FROM jobs WHERE state IN ({ENDED_SQL}) AND expires < :now"  # noqa: S608
            " AND (webhook_state IS NULL OR webhook_state != 'pending' OR expires < :told)",
            {"now": now, "told": now - telling_s},
        )

    def results_beyond(self, limit_bytes: int) -> list[Record]:
        """Return the jobs whose results, oldest first, must go to keep all within the limit."""
        return self._all(BEYOND, {"limit": limit_bytes})

    def webhooks_due(self, now: float, most: int) -> list[Record]:
        """Return the ended jobs whose webhooks are due: of each owner the `most` that have waited longest."""
        return self._all(TO_TELL, {"now": now, "most": most})

    def counts(self) -> Counts:
        """Count the jobs by state."""
        with self._database.using() as db:
            rows = db.execute(
                "SELECT state, count(*) AS jobs, min(created) AS oldest FROM jobs GROUP BY state", {}
            ).fetchall()
        found = {row["state"]: (row["jobs"], row["oldest"]) for row in rows}
        return Counts(
            {state: found.get(state, (0, None))[0] for state in STATES}, found.get("queued", (0, None))[1]
        )

    def ids(self, *, waiting: bool = False) -> set[str]:
        """Return the ids of all jobs, or only of those whose uploads may still be needed."""
        query = "SELECT id FROM jobs" + (f" WHERE state NOT IN ({ENDED_SQL})" if waiting else "")  # noqa: S608
        with self._database.using() as db:
            return {row["id"] for row in db.execute(query, {}).fetchall()}
