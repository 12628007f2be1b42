"""Prints for the translator: damaged by us, with the truth known, or real, where only sound places are known.

A detector marks more of a print than its damage: lookalikes, and some of the picture around damage. The translator
sees what is below a mark and can keep it; from these samples it learns when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.scratch import masks
from photorestore.stages.scratch.search import PHOTOGRAPHS, PRINTS, SURE
from training.damaged_samples import load_sound_old
from training.degradations.lookalikes import draw_lookalike
from training.degradations.noise import quantise
from training.degradations.prints import damage_print
from training.degradations.sources import PrintSources, load_crack_shapes
from training.degradations.structure import draw_structure
from training.detectors import Detector, load_detector
from training.marked import (
    TEST_PRINTS,
    VALIDATION_PRINTS,
    MarkedPrint,
    load_marked_prints,
    transplant,
)
from training.randomness import chance, randint, uniform

UNKNOWN = -1.0
"""Alpha of pixels of which the truth is unknown: they are no target."""
NEAR_PX = 2
"""Within this distance of marked damage in real prints nothing is known either."""


@dataclass(frozen=True, slots=True)
class Prints:
    """Sources that samples are drawn from.

    Attributes:
        cracks: shapes of damage.
        marked: real damaged prints.
        sound: real old photographs in which no damage was seen, uint8 (3, H, W).
        detectors: of damage in photographs and in prints.
    """

    cracks: PrintSources
    marked: Sequence[MarkedPrint]
    sound: Sequence[Tensor]
    detectors: tuple[Detector, Detector]


def load_prints(data: Path, masks: Path, size_px: int, *, validation: bool = False) -> Prints:
    """Read what training may see, or what is kept for validation: shapes of damage and marked prints.

    Args:
        masks: see `training.marking`.
        size_px: prints with a shorter side are left out.
    """
    detectors = load_detector(PHOTOGRAPHS), load_detector(PRINTS)
    if validation:
        marked = load_marked_prints(data, masks, names=VALIDATION_PRINTS)
    else:
        marked = load_marked_prints(data, masks, without=(*TEST_PRINTS, *VALIDATION_PRINTS))
    large = [one for one in marked if min(one.image.shape[-2:]) >= size_px]
    cracks = load_crack_shapes(data, held_out=False, validation=validation)
    sound = [] if validation else load_sound_old(data, size_px)
    return Prints(cracks, large, sound, detectors)


def damage_as_print(gt: Tensor, prints: Prints, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Damage a photograph (3, P, P), into which something that looks like damage may be drawn first.

    Returns:
        gt with what was drawn, lq (3, P, P) in 8-bit values; the damage's alpha (1, P, P).
    """
    if chance(0.4, rng):
        gt = quantise((draw_lookalike if chance(0.6, rng) else draw_structure)(gt, rng).clamp(0, 1))
    if chance(0.7, rng):
        lq, alpha = damage_print(gt, prints.cracks, rng)
    else:
        lq, alpha = transplant(gt, prints.marked, rng)
    return gt, quantise(lq.clamp(0, 1)), alpha


def unknown(marks: Tensor | None, gt: Tensor, place: tuple[slice, slice]) -> Tensor:
    """Return the alpha (1, P, P) of a part of a real print: `UNKNOWN` in and near its marks, 0 where it is sound."""
    if marks is None:
        return torch.zeros_like(gt[:1])
    doubtful = (marks[:, *place] != 0).float()[None]
    return UNKNOWN * F.max_pool2d(doubtful, 2 * NEAR_PX + 1, 1, NEAR_PX)[0]


def find(lq: Tensor, prints: Prints, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Return what the service would fill of a print (3, P, P), and how certain it is of that, both (1, P, P).

    Args:
        rng: draws other limits and another width than the service's; None = those of the service.
    """
    certain, followed, grow_px = masks.CERTAIN_IN_DAMAGED, masks.FOLLOWED, masks.GROW_PX
    if rng is not None:
        certain, followed, grow_px = uniform(0.4, 0.97, rng), uniform(0.4, 0.7, rng), randint(0, 4, rng)
    film, prob = (detector(lq[None]).sigmoid()[0] for detector in prints.detectors)
    prob = torch.maximum(prob, torch.where(film >= SURE, film, 0.0))
    seeds, candidates = prob >= certain, prob >= min(certain, followed)
    found = torch.from_numpy(masks.follow(seeds[0].numpy(), candidates[0].numpy())).float()[None, None]
    return F.max_pool2d(found, 2 * grow_px + 1, 1, grow_px)[0], prob
