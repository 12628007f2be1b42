"""Metrics of restorations: their runs, and what is in flight."""

from __future__ import annotations

import functools
import itertools

from prometheus_client import Counter, Histogram

from gateway.errors import BackendUnavailable
from gateway.restore.admission import Admission
from gateway.restore.transfers import Transfers
from gateway.telemetry.metrics import Metrics
from photorestore.errors import BrokenArtifact, Cancelled, DeadlineExceeded, OutOfSpace
from photorestore.options import STAGES
from photorestore.report import Report

STAGE_S = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
OUTCOMES = ("ran", "passed", "failed")
OUR_PROBLEMS = (BrokenArtifact.type, OutOfSpace.type, DeadlineExceeded.type, BackendUnavailable.type)
"""Types of the problems that are not the caller's fault."""


class RunMetrics:
    """Counts of runs through the workflow, and of requests answered without one.

    Attributes:
        coalesced: requests that shared the run of an identical one.
        cache_hits, cache_misses: requests found in the result cache, and not found.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.coalesced = metrics.counter("coalesced", "requests that shared the run of an identical one")
        self.cache_hits = metrics.counter("cache_hits", "requests answered from the result cache")
        self.cache_misses = metrics.counter("cache_misses", "requests not found in the result cache")
        self._runs = metrics.counter(
            "runs", "envelopes sent through the workflow, by problem type or ok", "outcome"
        )
        for kind in ("ok", *OUR_PROBLEMS):
            self._runs.labels(kind)
        self._of_keys = metrics.counter(
            "key_megapixels",
            "megapixels of results, by API key: of requests and jobs, also of kept results",
            "key",
        )
        self._megapixels = metrics.counter("restored_megapixels", "megapixels that came back")
        self._stage_seconds = metrics.histogram(
            "stage_seconds",
            "wall-clock time of a stage, by what it did: ran or passed",
            STAGE_S,
            "stage",
            "outcome",
        )
        self._stage_outcomes = metrics.counter(
            "stage_outcomes", "requests by what a stage did: ran, passed or failed", "stage", "outcome"
        )
        for stage, outcome in itertools.product(STAGES, OUTCOMES):
            self._stage_outcomes.labels(stage, outcome)
        self._of_stage = functools.cache(self._find_stage)  # looking labels up is slower than adding a value

    def observe_report(self, report: Report) -> None:
        """Record a finished restoration."""
        self._runs.labels("ok").inc()
        self._megapixels.inc(report.width * report.height / 1e6)
        for stage, trace in report.trace.items():
            seconds, outcomes = self._of_stage(stage, trace.outcome)
            seconds.observe(trace.ms / 1000)
            outcomes.inc()

    def observe_key(self, key: str, pixels: int) -> None:
        """Record a result for the name of an API key; empty where there is none."""
        self._of_keys.labels(key).inc(pixels / 1e6)

    def observe_problem(self, kind: str, stage: str) -> None:
        """Record a failed restoration. A cancelled one is no failure of the stage that noticed it."""
        self._runs.labels(kind).inc()
        if stage in STAGES and kind != Cancelled.type:
            self._stage_outcomes.labels(stage, "failed").inc()

    def _find_stage(self, stage: str, outcome: str) -> tuple[Histogram, Counter]:
        return self._stage_seconds.labels(stage, outcome), self._stage_outcomes.labels(stage, outcome)


def watch_in_flight(metrics: Metrics, admission: Admission, transfers: Transfers) -> None:
    """Add gauges of what is in flight, and of the limits."""
    in_flight = {
        "in_flight_requests": ("restorations in flight", lambda: admission.requests.total),
        "in_flight_pixels": ("pixels in flight", lambda: admission.pixels.total),
        "in_flight_uploads": ("uploads in flight", lambda: transfers.uploads.total),
        "in_flight_answer_bytes": (
            "bytes of results that callers are reading",
            lambda: transfers.answer_bytes.total,
        ),
        "waiting_requests": ("restorations that wait for a place", lambda: len(admission.waiting)),
    }
    for name, (text, value) in in_flight.items():
        metrics.gauge(name, text).set_function(value)
    metrics.gauge("max_in_flight_requests", "restorations admitted").set(admission.limits.requests)
    metrics.gauge("max_in_flight_pixels", "pixels admitted").set(admission.limits.pixels)
