"""Metrics of requests of all routes."""

from __future__ import annotations

from gateway.errors import EXCESSES, PreconditionFailed, TooManyRequests
from gateway.telemetry.metrics import Metrics

LATENCY_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)


class RequestMetrics:
    """Counters and latencies of requests and their answers.

    Attributes:
        answers: by route, method and status.
        latency: by route, in seconds.
        of_keys: answers by the name of the API key, empty where there is none, and by status, such as `4xx`.
        rejected: by the limit that was reached.
        not_modified: requests whose result the caller already had.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.answers = metrics.counter("http_requests", "answers", "route", "method", "status")
        self.latency = metrics.histogram(
            "http_request_seconds", "from the first byte to the last of the answer", LATENCY_S, "route"
        )
        self.of_keys = metrics.counter("key_requests", "answers, by API key", "key", "status")
        self.rejected = metrics.counter(
            "rejected", "requests, and jobs of batches, answered with 429", "reason"
        )
        for reason in EXCESSES:
            self.rejected.labels(reason)
        self.not_modified = metrics.counter("precondition_failed", "requests whose result the caller had")

    def count(self, error: Exception) -> None:
        """Count an error that is answered, if there is a counter for it."""
        match error:
            case TooManyRequests():
                self.rejected.labels(error.reason).inc()
            case PreconditionFailed():
                self.not_modified.inc()
