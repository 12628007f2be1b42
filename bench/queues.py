"""A queueing model of pods: what restorations take, when pictures come, how long they wait; and closed forms for it.

A pod is an edge with its backend. It has some pictures at work, the others wait in the order of their coming, and what
comes while all places are taken is refused and does not come back. A balancer sends each picture to the pod with the
fewest. A picture takes (fixed + by megapixel * megapixels) seconds, times a ratio drawn from those that were measured.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

Array = npt.NDArray[np.float64]
Mix = Sequence[tuple[str, float, float]]
"""Kinds of restoration, megapixels and shares, which add up to 1."""

PLACES = 16
"""`max_requests` of an edge."""
ROUNDS = 20
"""In which weights of a fit and what it expects settle."""
WARM_UP = 0.1
"""The share of a simulation's pictures that is left out, since pods are idle at first."""


@dataclass(frozen=True, slots=True)
class Pods:
    """Servers: how many, pictures at work in each, and pictures in each at most, waiting ones included."""

    count: int
    at_work: int = 1
    places: float = PLACES


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one kind of restoration: what each picture takes, what each megapixel adds, and drawn ratios to both.

    Attributes:
        ratios: measured / fitted; their mean is 1.
    """

    fixed_s: float
    s_per_mp: float
    ratios: tuple[float, ...] = (1.0,)

    def draw(self, megapixels: float, count: int, rng: np.random.Generator) -> Array:
        """Return the seconds of that many pictures, (count,)."""
        return (self.fixed_s + self.s_per_mp * megapixels) * rng.choice(self.ratios, count)


def fitted(megapixels: Array, seconds: Array) -> Cost:
    """Fit a line without negative parts to pictures, (n,) each, whose deviation is a share of what is expected."""
    design = np.stack([np.ones_like(megapixels), megapixels], axis=1)
    expected = np.full_like(seconds, seconds.mean())
    for _ in range(ROUNDS):
        line, _ = nnls(design / expected[:, None], seconds / expected)
        expected = design @ line
    ratios = seconds / expected
    fixed_s, s_per_mp = line * ratios.mean()
    return Cost(float(fixed_s), float(s_per_mp), tuple((ratios / ratios.mean()).tolist()))


def drawn(mix: Mix, costs: Mapping[str, Cost], count: int, rng: np.random.Generator) -> Array:
    """Return the seconds of pictures of a mix, (count,).

    Raises:
        KeyError: a kind has no cost.
        ValueError: shares do not add up to 1.
    """
    rows = rng.choice(len(mix), count, p=[share for *_, share in mix])
    seconds = np.empty(count)
    for row, (kind, megapixels, _) in enumerate(mix):
        chosen = rows == row
        seconds[chosen] = costs[kind].draw(megapixels, int(chosen.sum()), rng)
    return seconds


def arrivals(per_s: float, count: int, rng: np.random.Generator, album: float = 1.0) -> Array:
    """Return when pictures come, (count,), ascending: albums by a Poisson process, of a geometric number of pictures.

    Args:
        album: pictures of an album on the average, all of which come at once; 1 for pictures that come by themselves.
    """
    first = rng.random(count) < 1 / album
    return np.cumsum(np.where(first, rng.exponential(album / per_s, count), 0.0))


def simulate(came_s: Array, seconds: Array, pods: Pods) -> Array:
    """Return how long pictures wait, (n,); NaN for those that are refused.

    Args:
        came_s: when they come, ascending.
        seconds: how long each is at work.
    """
    waits = np.full(len(came_s), np.nan)
    held = np.zeros(pods.count, int)
    free = [[0.0] * pods.at_work for _ in range(pods.count)]
    leaving: list[tuple[float, int]] = []
    for number, (now, service) in enumerate(zip(came_s.tolist(), seconds.tolist(), strict=True)):
        while leaving and leaving[0][0] <= now:
            held[heapq.heappop(leaving)[1]] -= 1
        pod = int(held.argmin())
        if held[pod] >= pods.places:
            continue
        start = max(now, free[pod][0])
        heapq.heapreplace(free[pod], start + service)
        heapq.heappush(leaving, (start + service, pod))
        held[pod] += 1
        waits[number] = start - now
    return waits


def erlang_c(servers: int, offered: float) -> float:
    """Return the share that waits in M/M/c, where `offered` < `servers` is arrival rate by service rate."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def allen_cunneen(per_s: float, seconds: Array, servers: int, album: float = 1.0) -> float:
    """Return the mean wait in G/G/c with one queue and no bound, approximately; exact for M/M/c and M/G/1.

    Raises:
        ValueError: more comes than the servers can do.
    """
    offered = per_s * seconds.mean()
    if offered >= servers:
        raise ValueError(f"{offered:.2f} servers are at work all the time, and there are {servers}")
    variation = (2 * album - 1 + seconds.var() / seconds.mean() ** 2) / 2
    return float(erlang_c(servers, offered) * seconds.mean() / (servers - offered) * variation)


@dataclass(frozen=True, slots=True)
class Found:
    """What a simulation or a run gave: waits in seconds by percentile and on the average, and the share refused."""

    p50: float
    p95: float
    p99: float
    mean: float
    refused: float

    @classmethod
    def of(cls, waits: Array) -> Found:
        """Summarise the waits, (n,), which are NaN for refused ones; without the first tenth."""
        counted = waits[int(WARM_UP * len(waits)) :]
        let_in = counted[~np.isnan(counted)]
        p50, p95, p99 = (float(value) for value in np.percentile(let_in, [50, 95, 99]))
        return cls(p50, p95, p99, float(let_in.mean()), float(np.isnan(counted).mean()))

    def cells(self) -> list[str]:
        """Write p50, p95 and p99 in seconds, and what is refused."""
        return [f"{value:.2f}" for value in (self.p50, self.p95, self.p99)] + [f"{self.refused:.2%}"]
