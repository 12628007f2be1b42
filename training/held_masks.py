"""Compare the masks of a detector in bfloat16 and in 8 bits with those in float32, on prints that no training saw.

A mask is what the service makes of a damaged print at its full size: where the mean of what is found in the picture as
it is and in the turned one reaches `masks.CERTAIN_IN_DAMAGED`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from photorestore.fidelity import tolerant_scores
from photorestore.networks.descriptor import Network
from photorestore.networks.precision import BFLOAT16, FLOAT32
from photorestore.networks.runner import Runner, load_runner
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.stages.scratch import masks
from photorestore.stages.scratch.looks import TURNED, average, seen
from training.damaged_samples import age
from training.data import hold_out, load_photos
from training.degradations.damage import DAMAGED
from training.degradations.prints import damage_print
from training.degradations.sources import load_crack_shapes
from training.detectors import Detector
from training.marked import DAMAGE, IGNORE, VALIDATION_PRINTS, load_marked_prints
from training.tune_masks import FOLDERS, HELD_OUT_EVERY, detect

MADE, MADE_PX = 24, 400
"""How many prints are made, and the sides that they have at most."""


@dataclass(frozen=True, slots=True)
class Held:
    """A print, uint8 (3, H, W), and its damaged and unknown places, bool (1, H, W)."""

    image: Tensor
    damaged: Tensor
    unknown: Tensor
    is_real: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What masks are worth.

    Attributes:
        overlap: with those in float32, intersection over union, of all prints together.
        overlap_real: of real prints alone.
        f1_real, f1_made: mean F1 against where damage is, of real prints and of made ones.
    """

    overlap: float
    overlap_real: float
    f1_real: float
    f1_made: float


def held_prints(data: Path, drawn: Path) -> list[Held]:
    """Return real prints whose damage was marked, and photographs under made damage, all held out from training.

    Args:
        drawn: the masks of the real ones, see `training.marking`.
    """
    held = [
        Held(one.image, one.mask == DAMAGE, one.mask == IGNORE, True)
        for one in load_marked_prints(data, drawn, names=VALIDATION_PRINTS)
    ]
    folders = [load_photos([data / name], min_side_px=160, limit=MADE * HELD_OUT_EVERY) for name in FOLDERS]
    photos, _ = hold_out(folders, HELD_OUT_EVERY)
    rng = torch.Generator().manual_seed(1)
    shapes = load_crack_shapes(data, held_out=False, validation=True)
    for photo in photos[:MADE]:
        clean = age(photo[:, :MADE_PX, :MADE_PX].float() / 255, rng).clamp(0, 1)
        lq, alpha = damage_print(clean, shapes, rng)
        damaged = alpha > DAMAGED
        held.append(Held((255 * lq).round().byte(), damaged, torch.zeros_like(damaged), False))
    return held


def compare(prints: Sequence[Held], network: nn.Module, quick: nn.Module) -> dict[str, Found]:
    """Return what the masks are worth in `float32`, in `bfloat16` and in `eight_bits`.

    Args:
        network: a detector.
        quick: the same in 8 bits.
    """
    ways = {"float32": (network, FLOAT32), "bfloat16": (network, BFLOAT16), "eight_bits": (quick, BFLOAT16)}
    detectors = {way: _detector(*told) for way, told in ways.items()}
    made = {way: [mask_of(detector, one.image) for one in prints] for way, detector in detectors.items()}
    return {way: judge(prints, made["float32"], found) for way, found in made.items()}


def judge(prints: Sequence[Held], best: Sequence[Tensor], found: Sequence[Tensor]) -> Found:
    """Return what masks are worth; `best` are those in float32."""
    pairs = list(zip(best, found, strict=True))
    scores = [
        tolerant_scores(mask, one.damaged, one.unknown)["f1"] for one, mask in zip(prints, found, strict=True)
    ]
    return Found(
        _overlap(pairs),
        _overlap([pair for pair, one in zip(pairs, prints, strict=True) if one.is_real]),
        _mean([f1 for f1, one in zip(scores, prints, strict=True) if one.is_real]),
        _mean([f1 for f1, one in zip(scores, prints, strict=True) if not one.is_real]),
    )


def mask_of(detector: Detector, image: Tensor) -> Tensor:
    """Return where a print, uint8 (3, H, W), is damaged: bool (1, H, W)."""
    pixels = image.numpy()
    prob, turned = (detect(detector, view.copy()) for view in (pixels, seen(pixels, TURNED)))
    average(prob, turned, TURNED)
    return torch.from_numpy(masks.clean_mask(prob, masks.CERTAIN_IN_DAMAGED) > 0)


def as_table(found: Mapping[str, Found]) -> str:
    """Write a line for each precision."""
    return "\n".join(
        f"{way:10s}  overlap {each.overlap:.4f}, of real prints {each.overlap_real:.4f}; "
        f"F1 of real damage {each.f1_real:.4f}, of made damage {each.f1_made:.4f}"
        for way, each in found.items()
    )


def _detector(network: nn.Module, precision: str) -> Detector:
    assert isinstance(network, Network)
    return Detector(Runner(network, precision=precision), load_runner(TRUNK, precision=precision))


def _overlap(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Return the intersection over the union of all pairs of masks together; 1 where all are empty."""
    both, either = (
        sum(int(way(one, other).sum()) for one, other in pairs)
        for way in (torch.logical_and, torch.logical_or)
    )
    return both / either if either else 1.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
