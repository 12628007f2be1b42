"""The throughput of a running service, from its metrics."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

PREFIX = "photorestore_gateway_"
MEGAPIXELS = f"{PREFIX}restored_megapixels_total"
REQUESTS = f"{PREFIX}http_requests_total"
LATENCY = f"{PREFIX}http_request_seconds_bucket"
IN_FLIGHT = f"{PREFIX}in_flight_requests"
ROUTE = "/v1/restore"
"""The route whose requests are counted and timed."""

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+([-+]?(?:[\d.]+(?:[eE][-+]?\d+)?|Inf|NaN))(?:\s|$)")
_LABEL = re.compile(r'\b(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample: one line of the metrics."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """What the service did between two looks at its metrics.

    Attributes:
        megapixels_s: megapixels restored per second.
        requests_s: requests answered per second, with any status.
        p50_s, p95_s: median and 95th percentile of the seconds that answers took; NaN if there were none.
        in_flight: requests in flight at the second look.
    """

    megapixels_s: float
    requests_s: float
    p50_s: float
    p95_s: float
    in_flight: int

    def __str__(self) -> str:
        return (
            f"{self.megapixels_s:8.2f} megapixels/s {self.requests_s:7.2f} requests/s"
            f"  p50 {_seconds(self.p50_s)}  p95 {_seconds(self.p95_s)}  {self.in_flight:4d} in flight"
        )


def parse(text: str) -> list[Sample]:
    """Return the samples of metrics in the text format of Prometheus; other lines are left out."""
    samples = []
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is not None:
            samples.append(Sample(match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])))
    return samples


def compare(before: Sequence[Sample], after: Sequence[Sample], seconds: float) -> Throughput:
    """Return the throughput between two looks that lie so many seconds apart.

    A counter that went back was reset by a restart of the service, and counts from zero.
    """
    buckets = _grown(before, after, LATENCY, "le")
    return Throughput(
        _grown(before, after, MEGAPIXELS).get("", 0.0) / seconds,
        _grown(before, after, REQUESTS).get("", 0.0) / seconds,
        quantile(buckets, 0.5),
        quantile(buckets, 0.95),
        round(sum(sample.value for sample in after if sample.name == IN_FLIGHT)),
    )


def quantile(buckets: Mapping[str, float], q: float) -> float:
    """Return the quantile `q` of a histogram; NaN if it is empty.

    Computed as by `histogram_quantile` of Prometheus: linear inside a bucket, the last finite bound beyond it.

    Args:
        buckets: cumulative counts by upper bound.
        q: 0 to 1.
    """
    ordered = sorted((float(bound), count) for bound, count in buckets.items())
    if not ordered or ordered[-1][1] <= 0:
        return math.nan
    rank, low, below = q * ordered[-1][1], 0.0, 0.0
    for bound, count in ordered:
        if count >= rank and count > below:
            return low if math.isinf(bound) else low + (bound - low) * (rank - below) / (count - below)
        low, below = bound, count
    return low


def watch(read: Callable[[], str], every_s: float, count: int | None = None) -> Iterator[Throughput]:
    """Look at the metrics periodically; yield the throughput since the look before.

    Args:
        read: returns the metrics.
        every_s: seconds between two looks.
        count: how many values are yielded; None for no limit.
    """
    before, then = parse(read()), time.monotonic()
    for _ in itertools.count() if count is None else range(count):
        time.sleep(every_s)
        after, now = parse(read()), time.monotonic()
        yield compare(before, after, now - then)
        before, then = after, now


def _grown(before: Sequence[Sample], after: Sequence[Sample], name: str, by: str = "") -> dict[str, float]:
    """Return how much a counter grew, summed by one of its labels."""
    earlier = {_identity(sample): sample.value for sample in before if sample.name == name}
    sums: dict[str, float] = {}
    for sample in after:
        if sample.name == name and sample.labels.get("route", ROUTE) == ROUTE:
            start = earlier.get(_identity(sample), 0.0)
            group = sample.labels.get(by, "")
            sums[group] = sums.get(group, 0.0) + sample.value - (start if start <= sample.value else 0.0)
    return sums


def _identity(sample: Sample) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(sample.labels.items()))


def _seconds(value: float) -> str:
    return "     -" if math.isnan(value) else f"{value:5.2f}s"
