"""Samples for the glance of `scratch`: what the detector encodes of pictures, and the most that it finds in each cell.

They are made once, since the detector costs a hundred times what the glance does, and kept in files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.preprocess.scene import features_of, told
from photorestore.stages.preprocess.scene_network import view_of
from photorestore.stages.scratch.glance_network import gathered
from photorestore.stages.scratch.network import ScratchUNet
from training.damaged_samples import Pictures, Shares, make_sample, store
from training.data import scaled_patch
from training.detectors import Detector
from training.randomness import chance

SHARD = 60
"""Samples in a file."""
SHRUNK = (0.8, 1.6)
"""By how much sound photographs are shrunk; below 1 they are enlarged."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What samples are made.

    Attributes:
        shares: of the kinds of `damaged_samples`.
        plain: share of all samples that are sound photographs as they are.
        size_px: sides of the pictures, a multiple of the detector's stride.
        count: how many; a multiple of `SHARD`.
        seed: of the first file; each has its own.
    """

    shares: Shares
    plain: float
    size_px: int
    count: int
    seed: int


def make(folder: Path, plan: Plan, pictures: Pictures, detector: Detector) -> tuple[Tensor, Tensor]:
    """Make the samples whose files are not there yet, and return all.

    Returns:
        What a glance is given, float16 (N, C, h, w), and the greatest logit in each cell, float16 (N, 1, h, w).
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for index in range(plan.count // SHARD):
        file = folder / f"{index}.pt"
        if not file.exists():
            rng = torch.Generator().manual_seed(1000 * plan.seed + index)
            made = [look(detector, _picture(plan, pictures, rng)) for _ in range(SHARD)]
            unfinished = file.with_suffix(".part")
            found = torch.cat(
                [F.max_pool2d(logits, detector.network.descriptor.stride) for _, logits in made]
            )
            torch.save((torch.cat([features for features, _ in made]), found.half()), unfinished)
            unfinished.rename(file)
            print(f"{(index + 1) * SHARD} samples", flush=True)
        parts.append(torch.load(file, weights_only=True))
    return torch.cat([features for features, _ in parts]), torch.cat([most for _, most in parts])


def look(detector: Detector, lq: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a glance is given of a picture, float16 (1, C, h, w), and its scratch_logits (1, 1, H, W).

    Args:
        lq: (3, H, W) in [0, 1].
    """
    network, (h, w) = detector.network.network, lq.shape[1:]
    assert isinstance(network, ScratchUNet)
    shown = told(detector.network, features_of(detector.trunk, view_of(lq[None])), h, w)
    with detector.network.computing():
        maps = network.encoded(lq[None].contiguous(memory_format=torch.channels_last), *shown)
        return gathered(maps).half(), network.decoded(maps)[..., :h, :w]


def _picture(plan: Plan, pictures: Pictures, rng: torch.Generator) -> Tensor:
    if chance(plan.plain, rng):
        return store(scaled_patch(pictures.photos, plan.size_px, SHRUNK, rng), rng)
    return make_sample(pictures, plan.shares, plan.size_px, rng)[0]


def draw(
    features: Tensor, most: Tensor, batch_size: int, rng: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of what `make` returns, in float32, without end."""
    while True:
        for chosen in torch.randperm(len(most), generator=rng).split(batch_size):
            yield features[chosen].float(), most[chosen].float()
