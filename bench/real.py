"""Real damage of real old prints, found with default options and with every stage named.

Two sets of masks drawn by eye, neither trained on: the nine of `old_masks` (lightly damaged) and six of `old_damaged`
(`TEST_PRINTS`; badly damaged). A found pixel is right within 2 px of damage, a marked one is found within 2 px of a
found one, what the mask says to ignore counts nowhere; F1 by picture, then the mean. Specks, marked pieces of at most
8 px, are hardly ever marked in full, so the recall of what is larger stands beside. *Detector alone* is its
probability at the one threshold that is best for a set: how far deciding falls short of finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from bench.looks import DEFAULT, FOR_MASK, Look, look
from bench.pictures import SUFFIXES, Mask
from bench.statistics import summary
from photorestore.fidelity import TOLERANCE_PX, tolerant_scores
from photorestore.options import SELECTABLE_STAGES, Options
from photorestore.pipeline import Pipeline
from training.marked import DAMAGE, IGNORE, TEST_PRINTS

NAMED = Options(stages=SELECTABLE_STAGES, timeout_s=600)
THRESHOLDS = (0.02, *(round(0.05 * step, 2) for step in range(1, 20)))
SPECK_PX = 8


@dataclass(frozen=True, slots=True)
class Marked:
    """A picture's file and its mask: (H, W) uint8, 255 = damage, 128 = ignore."""

    name: str
    picture: Path
    mask: Path

    def planes(self) -> tuple[Mask, Mask]:
        """Return (H, W) each: where damage is, and what to ignore."""
        with Image.open(self.mask) as stored:
            values = np.asarray(stored.convert("L"))
        return values == DAMAGE, values == IGNORE


def measure(root: Path, pipeline: Pipeline, *, every: int = 1) -> dict[str, Any]:
    """Return scores by set.

    Args:
        root: the folder of the bench pictures, beside `train`.
        every: take only each n-th picture of a set.

    Raises:
        FileNotFoundError: a mask or its picture is missing.
    """
    found = {"light": light_prints(root), "heavy": heavy_prints(root.parent / "train")}
    return {"sets": {name: _measure_set(prints[::every], pipeline) for name, prints in found.items()}}


def light_prints(root: Path) -> list[Marked]:
    """Find the nine prints whose masks lie in `old_masks`."""
    masks = sorted((root / "old_masks").glob("*_mask.png"))
    if not masks:
        raise FileNotFoundError(f"{root / 'old_masks'} holds no masks; see bench/README.md")
    names = [mask.name.removesuffix("_mask.png") for mask in masks]
    folders = (root / "old_real", root / "old_ms")
    return [Marked(name, _picture(folders, name), mask) for name, mask in zip(names, masks, strict=True)]


def heavy_prints(train: Path) -> list[Marked]:
    """Find the `TEST_PRINTS` of `old_damaged`."""
    folder = train / "domain" / "old_damaged"
    return [
        Marked(name, _picture((folder,), name), folder / "masks" / f"{name}_mask.png") for name in TEST_PRINTS
    ]


def _picture(folders: Iterable[Path], name: str) -> Path:
    for folder in folders:
        for suffix in sorted(SUFFIXES):
            if (file := folder / f"{name}{suffix}").exists():
                return file
    raise FileNotFoundError(f"{', '.join(map(str, folders))}: there is no picture {name}")


def _measure_set(prints: list[Marked], pipeline: Pipeline) -> dict[str, Any]:
    rows = [_measure_print(marked, pipeline) for marked in prints]
    best = np.mean([row.pop("by_threshold") for row in rows], 0)
    return {
        "default": _means(row["default"] for row in rows),
        "named": _means(row["named"] for row in rows),
        "detector_alone": {
            "f1": round(float(best.max()), 4),
            "threshold": THRESHOLDS[int(best.argmax())],
        },
        "pictures": rows,
    }


def _means(rows: Iterable[dict[str, float]]) -> dict[str, dict[str, float]]:
    chosen = list(rows)
    return {name: summary([row[name] for row in chosen]) for name in chosen[0]}


def _measure_print(marked: Marked, pipeline: Pipeline) -> dict[str, Any]:
    there, ignored = marked.planes()
    upload = marked.picture.read_bytes()
    by_default = look(pipeline, upload, DEFAULT, stages=FOR_MASK)
    named = look(pipeline, upload, NAMED, stages=FOR_MASK)
    return {
        "picture": marked.name,
        "mode": by_default.mode,
        "kind": by_default.kind,
        "default": _scores(by_default, there, ignored),
        "named": _scores(named, there, ignored),
        "by_threshold": _by_threshold(named, there, ignored),
    }


def _scores(seen: Look, there: Mask, ignored: Mask) -> dict[str, float]:
    pred, gt, rest = (torch.from_numpy(mask)[None] for mask in (seen.mask, there, ignored))
    scores = tolerant_scores(pred, gt, rest) | {"recall_large": _recall_large(seen.mask, there & ~ignored)}
    return {name: round(value, 4) for name, value in scores.items()}


def _recall_large(found: Mask, there: Mask) -> float:
    """Return the found share of the damage, specks left out; 1 where there is none."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(there.astype(np.uint8), connectivity=8)
    longest = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1)
    large = there & (longest[labels] > SPECK_PX)
    if not large.any():
        return 1.0
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * TOLERANCE_PX + 1,) * 2)
    near = cv2.dilate(found.astype(np.uint8), disc) > 0
    return float(near[large].mean())


def _by_threshold(seen: Look, there: Mask, ignored: Mask) -> list[float]:
    """F1 of the probability alone at each of `THRESHOLDS`."""
    if seen.prob is None:
        return [0.0] * len(THRESHOLDS)
    gt, rest = (torch.from_numpy(mask)[None] for mask in (there, ignored))
    return [
        tolerant_scores(torch.from_numpy(seen.prob >= least)[None], gt, rest)["f1"] for least in THRESHOLDS
    ]
