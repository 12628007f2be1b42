"""The edge's registry of metrics, in which each room enters its own."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "photorestore_gateway_"


class Metrics:
    """What `/metrics` shows. Series whose labels are known beforehand begin with 0: none misses its first event."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def render(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self.registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Enter a counter; `_total` is put behind its name."""
        return Counter(f"{PREFIX}{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        """Enter a histogram with these upper bounds."""
        return Histogram(f"{PREFIX}{name}", text, labels, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Enter a gauge."""
        return Gauge(f"{PREFIX}{name}", text, labels, registry=self.registry)
