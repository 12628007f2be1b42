"""Which jobs begin before a job, and how long it still takes, by how long the latest jobs of its kind took."""

from __future__ import annotations

import heapq
import json
import math
import statistics
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.errors import JobsUnavailable
from gateway.jobs import clock
from gateway.jobs.lookups import Lookups
from gateway.jobs.records import Record, Work
from photorestore.errors import OutOfSpace
from photorestore.methods import DIP

RECENT = 64
"""Jobs that are measured by."""
FRESH_S, SHARE = 0.05, 0.1
"""Seconds for which an outlook counts as new, at least; and the part of the time that is spent on it, at most."""
_EQUAL = frozenset({"format", "quality", "metadata", "colour", "timeout_s", "strength", "hints", "sigma_255"})
"""Options that change little in how long a job takes."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected of a job.

    Attributes:
        ahead: jobs that are begun before it; None once it has begun.
        seconds_left: until its end, 0 if it takes longer than others did; None where nothing like it was measured.
    """

    ahead: int | None = None
    seconds_left: int | None = None


UNKNOWN = Outlook()


class Speeds:
    """How long jobs take, by those that have succeeded.

    Args:
        records: of these; what has no time or size is passed over.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._measured: dict[object, list[tuple[int, float]]] = defaultdict(list)
        for record in records:
            if record.started is not None and record.ended is not None and record.work.pixels is not None:
                found = record.work.pixels, max(0.0, record.ended - record.started)
                for kind in _kinds(record.work):
                    self._measured[kind].append(found)

    def seconds(self, work: Work) -> float | None:
        """Return how long work takes; None where nothing like it was measured.

        A line is drawn through pixels and seconds of the jobs with equal options. Where there are none, it is drawn
        through those of all jobs that, like this one, take minutes or do not.
        """
        found = next((self._measured[kind] for kind in _kinds(work) if kind in self._measured), None)
        if found is None:
            return None
        pixels, seconds = zip(*found, strict=True)
        mean = statistics.fmean(seconds)
        if work.pixels is None or len(set(pixels)) == 1:
            return mean
        slope, start = statistics.linear_regression(pixels, seconds)
        return mean if slope < 0 else max(min(seconds), start + slope * work.pixels)


def _kinds(work: Work) -> tuple[str, bool]:
    """Return the work's own kind, then the one that it has in common with much other work."""
    own = {name: value for name, value in work.options.items() if name not in _EQUAL}
    own["psf"] = work.options.get("psf") is not None
    return json.dumps([own, work.kind], sort_keys=True), _is_long(work)


def _is_long(work: Work) -> bool:
    return any(value == DIP for name, value in work.options.items() if name.endswith("_method"))


def outlooks(
    queued: Iterable[Record],
    turns: Mapping[str, int],
    running: Iterable[Record],
    speeds: Speeds,
    lanes: int,
    long_lanes: int = 1,
) -> dict[str, Outlook]:
    """Return what is expected of each job, by its id: as if jobs began in their order whenever one has ended.

    Args:
        turns: when a job of each owner was last begun, as a running number.
        lanes: how many jobs run at a time.
        long_lanes: how many of them may take minutes, see `Worker`; others overtake those that wait for that.
    """
    now = clock.now()
    found: dict[str, Outlook] = {}
    free: list[float] = []
    free_for_long: list[float] = []
    for record in running:
        takes_s = speeds.seconds(record.work)
        left_s = math.inf if takes_s is None else max(0.0, takes_s - (now - (record.started or now)))
        free.append(left_s)
        if _is_long(record.work):
            free_for_long.append(left_s)
        found[record.id] = Outlook(None, _whole(left_s))
    free += [0.0] * (lanes - len(free))
    free_for_long += [0.0] * (long_lanes - len(free_for_long))
    for ahead, record in enumerate(_in_order(queued, turns)):
        takes_s, is_long = speeds.seconds(record.work), _is_long(record.work)
        may_begin_s = max(0.0, record.due - now, min(free_for_long) if is_long else 0.0)
        lane_s = max((lane_s for lane_s in free if lane_s <= may_begin_s), default=min(free))
        ends_s = math.inf if takes_s is None else max(lane_s, may_begin_s) + takes_s
        found[record.id] = Outlook(ahead, _whole(ends_s))
        if math.isfinite(may_begin_s):  # what begins nobody knows when holds up nobody
            free[free.index(lane_s)] = ends_s
            if is_long:
                free_for_long[free_for_long.index(min(free_for_long))] = ends_s
    return found


def _in_order(queued: Iterable[Record], turns: Mapping[str, int]) -> Iterable[Record]:
    """Give jobs in the order in which `Lookups.next_queued` would: the owners by turns, each one's oldest first."""
    waiting: dict[str, deque[Record]] = defaultdict(deque)
    for record in sorted(queued, key=lambda record: record.created):
        waiting[record.owner].append(record)
    heads = [(turns.get(owner, 0), jobs[0].created, owner) for owner, jobs in waiting.items()]
    heapq.heapify(heads)
    turn = max(turns.values(), default=0)
    while heads:
        _, _, owner = heapq.heappop(heads)
        yield waiting[owner].popleft()
        turn += 1
        if waiting[owner]:
            heapq.heappush(heads, (turn, waiting[owner][0].created, owner))


def _whole(seconds: float) -> int | None:
    return None if math.isinf(seconds) else math.ceil(seconds)


class Forecast:
    """Tells the outlook of jobs. Thread-safe; blocking.

    What was found out is told for a moment to everybody, so that many who ask cost little.

    Args:
        max_jobs: jobs that one edge runs at a time.
    """

    def __init__(self, store: Lookups, max_jobs: int) -> None:
        self._store = store
        self._max_jobs = max_jobs
        self._lock = threading.Lock()
        self._found: dict[str, Outlook] = {}
        self._until = -math.inf

    def of(self, job_id: str) -> Outlook:
        """Return the outlook of a job; of one that has ended, or that came a moment ago, nothing is known."""
        with self._lock:
            began = time.monotonic()
            if began >= self._until:
                try:
                    self._found = self._look()
                except (JobsUnavailable, OutOfSpace):
                    self._found = {}
                ended = time.monotonic()
                self._until = ended + max(FRESH_S, (ended - began) / SHARE)
            return self._found.get(job_id, UNKNOWN)

    def _look(self) -> dict[str, Outlook]:
        running = self._store.running()
        edges = len({record.holder for record in running}) or 1
        speeds = Speeds(self._store.latest(RECENT))
        lanes = edges * self._max_jobs
        return outlooks(self._store.queued(), self._store.turns(), running, speeds, lanes, edges)
