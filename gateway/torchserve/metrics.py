"""Metrics of readiness and of TorchServe's workers."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.telemetry.metrics import Metrics
from photorestore.serving.management import Node


class WorkerMetrics:
    """Gauges of readiness, and of the workers of each stage.

    Attributes:
        ready: 1 when requests should be sent here.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.ready = metrics.gauge("ready", "1 when requests should be sent here")
        self._workers = metrics.gauge("ready_workers", "TorchServe's ready workers", "stage")
        self._wanted = metrics.gauge("wanted_workers", "workers that TorchServe should have", "stage")
        self._pending = metrics.gauge("pending_requests", "requests that wait for a worker", "stage")

    def observe(self, nodes: Iterable[Node]) -> None:
        """Record the stages' workers as TorchServe described them."""
        for node in nodes:
            self._workers.labels(node.stage).set(node.ready)
            self._wanted.labels(node.stage).set(node.wanted)
            self._pending.labels(node.stage).set(node.pending)
