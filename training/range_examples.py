"""Make examples of what a network is given, for `training.find_ranges`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.runner import load_runner
from photorestore.stages.preprocess.scene import TRUNK, features_of
from photorestore.stages.preprocess.scene_network import SCENE, spread, view_of
from training.damaged_samples import age
from training.degradations.damage import damage_moderately
from training.degradations.prints import damage_print
from training.degradations.sources import load_crack_shapes, load_damage_sources

SCENE_STRIDE = 16
"""Of what detectors are told of the scene."""

Example = tuple[Tensor, tuple[Any, ...]]
"""What should come out, and what is put in."""
Maker = Callable[[Tensor, float, torch.Generator], Example]
"""Makes an example of a patch (1, 3, H, W) and a degree of difficulty."""


def noisy(_data: Path) -> Maker:
    """Make noisy patches; levels are those of the noise, in 8-bit units."""

    def make(patch: Tensor, level_255: float, rng: torch.Generator) -> Example:
        noise = torch.randn(patch.shape, generator=rng) * level_255 / 255
        return patch, (patch + noise, torch.tensor([level_255 / 255]))

    return make


def small(_data: Path) -> Maker:
    """Make small patches; levels are by how much they are enlarged."""

    def make(patch: Tensor, scale: float, _rng: torch.Generator) -> Example:
        small = F.interpolate(patch, scale_factor=1 / scale, mode="bicubic", antialias=True)
        return patch, (small.clamp(0, 1), int(scale))

    return make


def damaged(data: Path) -> Maker:
    """Damage patches as film is."""
    sources = load_damage_sources(data, held_out=False, validation=True)
    return _seen("scratch", lambda clean, rng: damage_moderately(clean, sources, rng)[::2])


def damaged_print(data: Path) -> Maker:
    """Damage aged patches as prints are."""
    sources = load_crack_shapes(data, held_out=False, validation=True)
    return _seen("scratch_print", lambda clean, rng: damage_print(age(clean, rng).clamp(0, 1), sources, rng))


def _seen(detector: str, damage: Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]) -> Maker:
    """Return what a detector is given of damaged patches; `damage` returns them and where they are damaged."""
    trunk, head = load_runner(TRUNK), load_runner(detector).part(SCENE)

    def make(patch: Tensor, _level: float, rng: torch.Generator) -> Example:
        lq, mask = damage(patch[0].clamp(0, 1), rng)
        shown, (h, w) = head(features_of(trunk, view_of(lq[None]))), lq.shape[1:]
        return mask[None].float(), (lq[None], spread(shown, h, w, SCENE_STRIDE))

    return make


def with_holes(data: Path) -> Maker:
    """Damage patches, and tell where."""
    sources = load_damage_sources(data, held_out=False, validation=True)

    def make(patch: Tensor, _level: float, rng: torch.Generator) -> Example:
        lq, _, mask = damage_moderately(patch[0].clamp(0, 1), sources, rng)
        return patch, (lq[None], F.max_pool2d(mask[None].float(), 5, 1, 2))

    return make
