"""Measure what must stay as it is: drawings, writing, halftones, and photographs of lookalikes of damage.

Default options, before encoding. The pictures are those of `bench/drawings.py`, `bench/bilevel.py` and
`bench/lookalikes.py`, as PNG, every third as JPEG of quality 85, those of one bit as PNG of one bit.

A pixel is ink if its luma differs by at least 40/255 from its ground, the median of the 41x41 px around it. Lines of a
drawing are ink, and so are ropes, spokes and threads, bright or dark. Ink is lost where less than half of that
difference is left. `coverage` is the share that was taken for damage, `changed` the share of pixels of which a channel
moved by more than 8/255.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from bench.bilevel import BILEVEL
from bench.blind import read_upload
from bench.drawings import DRAWINGS
from bench.lookalikes import LOOKALIKES
from bench.looks import changed_share, look
from bench.pictures import Pixels
from bench.statistics import pixel_hash, summary
from bench.writing import printed_page
from photorestore.pipeline import Pipeline

GROUPS: dict[str, dict[str, Callable[[np.random.Generator], Any]]] = {
    "drawings": DRAWINGS,
    "bilevel": BILEVEL | {"fax": lambda rng: printed_page(rng) > 140},
    "photographs": LOOKALIKES,
}
SEED = 90
GROUND_PX = 41
INK_255 = 40
JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture that is to stay, as a file."""

    group: str
    name: str
    upload: bytes


def make_samples(*, every: int = 1) -> list[Sample]:
    """Make all pictures, or each n-th; they are the same then."""
    made = [(group, name, make) for group, makers in GROUPS.items() for name, make in makers.items()]
    return [
        Sample(group, name, _encoded(make(np.random.default_rng(SEED + index)), as_jpeg=index % 3 == 2))
        for index, (group, name, make) in list(enumerate(made))[::every]
    ]


def measure(pipeline: Pipeline, *, every: int = 1) -> dict[str, Any]:
    """Return figures by group; `every` takes only each n-th picture."""
    samples = make_samples(every=every)
    rows = [_measure_sample(sample, pipeline) for sample in samples]
    groups = {group: [row for row in rows if row["group"] == group] for group in GROUPS}
    return {
        "set": f"{len(samples)} pictures",
        "upload_sha256": pixel_hash(np.frombuffer(sample.upload, np.uint8) for sample in samples),
        "groups": {group: _figures(chosen) for group, chosen in groups.items() if chosen},
        "pictures": rows,
    }


def ink_lost(before: Pixels, after: Pixels) -> float:
    """Return the share of the ink of a picture (H, W, 3) that is gone; 0 where there is none."""
    given, left = (
        cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY) for pixels in (before, after)
    )
    ground = cv2.medianBlur(given, GROUND_PX).astype(np.float32)
    contrast = given - ground
    ink = np.abs(contrast) >= INK_255
    lost = (left - ground) / np.where(ink, contrast, 1) < 0.5
    return float(lost[ink].mean()) if ink.any() else 0.0


def _encoded(picture: np.ndarray, *, as_jpeg: bool) -> bytes:
    buffer = io.BytesIO()
    if as_jpeg and picture.dtype != bool:
        Image.fromarray(picture).save(buffer, "JPEG", quality=JPEG_QUALITY)
    else:
        Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def _measure_sample(sample: Sample, pipeline: Pipeline) -> dict[str, Any]:
    before = read_upload(sample.upload).pixels
    seen = look(pipeline, sample.upload)
    return {
        "picture": sample.name,
        "group": sample.group,
        "ink_lost": round(ink_lost(before, seen.image), 5),
        "coverage": round(float(seen.mask.mean()), 6),
        "changed_share": round(changed_share(before, seen.image), 5),
        "mode": seen.mode,
        "kind": seen.kind,
        "ran": list(seen.ran),
    }


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **{name: summary([row[name] for row in rows]) for name in ("ink_lost", "coverage", "changed_share")},
        "modes": dict(Counter(row["mode"] for row in rows)),
    }
