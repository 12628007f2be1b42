"""The edge's registry of metrics, to which each room adds its own."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "photorestore_gateway_"


class Metrics:
    """All metrics that `/metrics` shows.

    Whoever adds a series with labels known beforehand starts it at 0, so that Prometheus sees its first event.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def render(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self.registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Add a counter; Prometheus sees its name with `_total` at the end."""
        return Counter(f"{PREFIX}{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        """Add a histogram with these upper bounds."""
        return Histogram(f"{PREFIX}{name}", text, labels, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Add a gauge."""
        return Gauge(f"{PREFIX}{name}", text, labels, registry=self.registry)
