"""Say what a run would cost, from a few of its pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from photorestore.errors import RestorationError
from photorestore.options import Options
from photorestore_bulk.places import Place
from photorestore_bulk.plan import Item
from photorestore_bulk.restorer import Order

SAMPLE = 4
"""Pictures that are restored to find out how long one takes; nothing is written."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would cost, from pictures that stand for all of them by their bytes.

    Attributes:
        megapixels: of all results.
        seconds: of one actor.
    """

    megapixels: float
    seconds: float


def estimate(sample: Sequence[Item], total_bytes: int, order: Order) -> Estimate | None:
    """Restore a few pictures here, and return what all of them would cost; None where none can be restored."""
    source, loaded = Place.of(order.source), order.load("auto", order.device, weights=order.weights)
    pixels = size_bytes = 0
    took_s = 0.0
    for item in sample:
        began = time.monotonic()
        try:
            restored = loaded.restore(source.read(item.key), Options.from_json(item.options))
        except (OSError, RestorationError):
            continue
        took_s += time.monotonic() - began
        pixels += restored.report.width * restored.report.height
        size_bytes += item.size_bytes
    if not size_bytes:
        return None
    return Estimate(pixels / 1e6 * total_bytes / size_bytes, took_s * total_bytes / size_bytes)
