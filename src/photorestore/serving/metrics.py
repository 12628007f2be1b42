"""Enter the stages' metrics through TorchServe; they are declared in `metrics.yaml`."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from photorestore.envelope import Envelope
from photorestore.logs import about
from photorestore.serving.context import Context

logger = logging.getLogger(__name__)

SECONDS = "photorestore_stage_seconds"
"""A histogram: its count is the number of requests by what the stage did."""


def observe(context: Context, stages: Iterable[str], envelope: Envelope) -> None:
    """Enter what `stages` did for one request. Never raises: metrics must not cost a restoration."""
    for stage in stages:
        trace = envelope.trace.get(stage)
        if trace is None:
            continue
        try:
            _find(context, SECONDS).add_or_update(trace.ms / 1000, [stage, trace.outcome])
        except Exception:
            logger.exception("metrics of %s were not entered", stage, extra=about(**envelope.labels))


def _find(context: Context, name: str) -> Any:
    """Return a declared metric; its kind is an enumeration of TorchServe's, which is not imported here."""
    for declared in context.metrics.cache.values():
        if name in declared:
            return declared[name]
    raise LookupError(f"metrics.yaml does not declare {name}")
