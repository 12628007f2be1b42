"""Measure a glance on held-out photographs: what of the damage is lost, and how much need not be decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.pixels.boxes import Cells, boxes_of, with_halo
from photorestore.stages.scratch import masks
from photorestore.stages.scratch.glance_network import HALO_PX
from photorestore.workspace import Array
from training.degradations.damage import damage_moderately
from training.degradations.sources import load_damage_sources
from training.detectors import Detector
from training.glance_samples import look

LEAST_KEPT = 0.995
"""Share of the pixels that the detector marks which must be marked again."""

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out picture: what a glance is given, (1, C, h, w), of cells of so many pixels, and what is found."""

    features: Tensor
    prob: Array  # uint16, (1, H, W)
    is_damaged: bool
    cell_px: int


def hold(folder: Path, data: Path, photos: Sequence[Tensor], detector: Detector) -> list[Held]:
    """Let the detector look at photographs as they are, and damaged by shapes that training does not see; once."""
    file = folder / "held.pt"
    if not file.exists():
        rng = torch.Generator().manual_seed(0)
        film = load_damage_sources(data, held_out=False, validation=True)
        kept = []
        for photo in photos:
            gt = photo.float() / 255
            for image, is_damaged in ((gt, False), (damage_moderately(gt, film, rng)[0], True)):
                features, logits = look(detector, image)
                kept.append((features, (65535 * logits[0].sigmoid()).round().int(), is_damaged))
        torch.save(kept, file)
    return [
        Held(features, prob.numpy().astype(np.uint16), is_damaged, detector.network.descriptor.stride)
        for features, prob, is_damaged in torch.load(file, weights_only=True)
    ]


def evaluate(
    glance: Runner[Tensor], held: Sequence[Held], *, threshold: float | None = None
) -> dict[str, float]:
    """Return shares of what is marked that still is, of cells that are skipped, and of the decoding that is left.

    Args:
        glance: its network is a `Glance`.
        threshold: logit above which a cell is decoded; None: the highest that keeps `LEAST_KEPT`, also returned.
    """
    with glance.computing():
        logits = [glance.network.judge(one.features.float())[0, 0].numpy() for one in held]  # type: ignore[attr-defined]
    if threshold is None:
        threshold = _highest(logits, held)
    figures = {"threshold": threshold, "kept": _kept(logits, held, threshold)}
    for kind, is_damaged in (("sound", False), ("damaged", True)):
        cells = [
            found > threshold for found, one in zip(logits, held, strict=True) if one.is_damaged == is_damaged
        ]
        figures[f"skipped_{kind}"] = 1 - float(np.mean(np.concatenate([each.ravel() for each in cells])))
        figures[f"whole_{kind}"] = 1 - float(np.mean([each.any() for each in cells]))
        decoded = [_decoded(each, held[0].cell_px) for each in cells]
        figures[f"decoded_{kind}"] = sum(decoded) / sum(each.size for each in cells)
    return figures


def _decoded(cells: Cells, cell_px: int) -> int:
    """Return how many cells are decoded, halos included."""
    halo = HALO_PX // cell_px
    boxes = (with_halo(box, halo, cells.shape) for box in boxes_of(masks.dilate(cells, 1), halo))
    return sum((bottom - top) * (right - left) for top, bottom, left, right in boxes)


def _kept(logits: Sequence[Logits], held: Sequence[Held], threshold: float) -> float:
    """Return the share of the pixels marked in sound and in damaged pictures that is marked where cells are decoded."""
    marked, again = 0, 0
    for found, one in zip(logits, held, strict=True):
        before = masks.find_damage(one.prob, masks.CERTAIN_IN_OTHERS)
        if before.any():
            _, h, w = one.prob.shape
            seen = masks.dilate(found > threshold, 1).repeat(one.cell_px, 0).repeat(one.cell_px, 1)
            after = masks.clean_mask(one.prob * seen[:h, :w], masks.CERTAIN_IN_OTHERS)
            marked += int(np.count_nonzero(before))
            again += int(np.count_nonzero(after))
    return again / max(1, marked)


def _highest(logits: Sequence[Logits], held: Sequence[Held]) -> float:
    """Return the highest threshold that keeps enough, by halving."""
    low, high = -20.0, 10.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if _kept(logits, held, middle) >= LEAST_KEPT else (low, middle)
    return low
