"""Measure a detector of damage on pictures whose damage is known, all held out from training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from photorestore.fidelity import PrecisionRecall, tolerant_scores
from training.damaged_samples import age
from training.degradations.damage import DAMAGED, damage_moderately
from training.degradations.noise import quantise
from training.degradations.prints import damage_print
from training.degradations.sources import load_crack_shapes, load_damage_sources
from training.detectors import Detector
from training.marked import DAMAGE, IGNORE, MarkedPrint

REAL_THRESHOLDS = tuple(step / 20 for step in range(2, 20))


@dataclass(frozen=True, slots=True)
class Validation:
    """Pictures that a detector is measured by.

    Attributes:
        damaged: from `hold_out_damaged`.
        real: real prints whose damage was marked by eye.
    """

    damaged: Sequence[tuple[Tensor, Tensor, Tensor]]
    real: Sequence[MarkedPrint]


def hold_out_damaged(data: Path, photos: Sequence[Tensor], name: str) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Damage photographs that training does not see, with shapes that it does not see, as a network will meet them.

    Args:
        photos: uint8 (3, H, W).
        name: of the network: film is damaged for `scratch`, prints for `scratch_print`.

    Returns:
        Of each photograph a part before and after, (3, H, W) in 8-bit values of [0, 1], and its mask, bool (1, H, W).
    """
    rng = torch.Generator().manual_seed(0)
    film = load_damage_sources(data, held_out=False, validation=True)
    cracks = load_crack_shapes(data, held_out=False, validation=True)
    pairs = []
    for photo in photos:
        gt = photo[:, :320, :320].float() / 255
        if name == "scratch":
            lq, _, mask = damage_moderately(gt, film, rng)
        else:
            gt = quantise(age(gt, rng))
            lq, alpha = damage_print(gt, cracks, rng)
            lq, mask = quantise(lq), alpha > DAMAGED
        pairs.append((gt, lq, mask))
    return pairs


def evaluate(detector: Detector, validation: Validation) -> dict[str, float]:
    """Return the figures of `evaluate_damaged` and `evaluate_real`."""
    return evaluate_damaged(detector, validation.damaged) | evaluate_real(detector, validation.real)


def evaluate_damaged(
    detector: Detector, held_out: Sequence[tuple[Tensor, Tensor, Tensor]]
) -> dict[str, float]:
    """Return best F1, its threshold, precision, recall, area below the curve, and the share of clean pixels found.

    Args:
        held_out: from `hold_out_damaged`; every photograph comes twice, damaged and as it was.
    """
    damaged, clean = PrecisionRecall(), PrecisionRecall()
    for gt, lq, mask in held_out:
        probs = detector(torch.stack([lq, gt])).sigmoid().cpu()
        damaged.add(probs[0], mask)
        clean.add(probs[1], torch.zeros_like(mask))
    threshold = damaged.best_threshold()
    false_share = clean.absent[round(threshold * (len(clean.absent) - 1)) :].sum() / clean.absent.sum()
    return {
        **damaged.at(threshold),
        "area": damaged.area(),
        "threshold": threshold,
        "clean_coverage_percent": 100 * float(false_share),
    }


def evaluate_real(detector: Detector, prints: Sequence[MarkedPrint]) -> dict[str, float]:
    """Return the mean F1 over real prints within `TOLERANCE_PX`, at the best threshold, and that threshold."""
    scores: dict[float, list[float]] = defaultdict(list)
    for marked in prints:
        prob = detector(marked.image[None] / 255).sigmoid()[0].cpu()
        for threshold in REAL_THRESHOLDS:
            found = tolerant_scores(prob >= threshold, marked.mask == DAMAGE, marked.mask == IGNORE)
            scores[threshold].append(found["f1"])
    best = max(scores, key=lambda threshold: sum(scores[threshold]))
    return {"real_f1": sum(scores[best]) / len(prints), "real_threshold": best}
