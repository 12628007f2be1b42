"""Upscale: super-resolution x2 and x4."""

from __future__ import annotations

import contextlib
import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.grey import for_grey, is_grey
from photorestore.networks.upscale import Upscaler
from photorestore.stages.base import ChoosingStage
from photorestore.tiling import TileJob, TileSpec, tile_spec
from photorestore.workspace import Workspace

CLEAN, REAL = "upscale", "upscale_real"
"""The network for pictures that lack nothing but pixels, and the one for photographs as they come."""
CLEAN_SIGMA_255 = 3.0
CLEAN_JPEG_QUALITY = 90
CLEAN_BLUR = 0.35
"""Most noise, least quality and most blur (see `estimates.estimate`) of a picture that lacks nothing but pixels. Of 36
training photographs shrunk by bicubic three quarters are such, of the same with second-order degradations a third."""
HIDDEN_PX = 8
"""Fully transparent pixels as near as this to visible ones take on their colour."""


class UpscaleStage(ChoosingStage[Upscaler]):
    """Writes the planes `upscaled` and, where there is opacity, `upscaled_alpha`, where `scale` is above 1."""

    name: ClassVar[str] = "upscale"
    network_names = (CLEAN, REAL)

    def run(self, batch: Sequence[Workspace]) -> None:
        groups: dict[tuple[str, int, bool], list[Workspace]] = defaultdict(list)
        for workspace in batch:
            if workspace.options.scale == 1:
                workspace.passed(self.name, "not asked for")
                continue
            has_alpha = "alpha" in workspace.envelope.planes
            groups[choose(workspace), workspace.options.scale, has_alpha].append(workspace)
        for (name, scale, has_alpha), members in groups.items():
            self._enlarge(members, name, scale, has_alpha=has_alpha)
            for workspace in members:
                _report(workspace, name)

    def _enlarge(self, members: Sequence[Workspace], name: str, scale: int, *, has_alpha: bool) -> None:
        """Write the planes of pictures for one network and one scale."""
        network = self.networks[name]
        with contextlib.ExitStack() as planes:
            jobs = [planes.enter_context(_job(workspace)) for workspace in members]
            self.run_tiles(functools.partial(_forward, network, scale), jobs, self.spec(network, scale))
            if has_alpha:
                jobs = [planes.enter_context(_alpha_job(workspace)) for workspace in members]
                self.run_tiles(functools.partial(_smooth, scale), jobs, self.spec(network, scale))

    def spec(self, network: Upscaler, scale: int) -> TileSpec:
        """Tiles whose results are no larger than `scale` 2 makes of `config.tile_px`."""
        spec = tile_spec(network, 2 * self.config.tile_px // scale, self.config.tile_batch, scale)
        return replace(spec, halo_px=spec.halo_px + HIDDEN_PX)


def choose(workspace: Workspace) -> str:
    """The network for a picture: `CLEAN` where nothing is wrong with it and no stage has changed it."""
    found = workspace.envelope.estimates.get("preprocess")
    if found is None or workspace.name_before("upscaled") != "image":
        return REAL
    quality = found["jpeg_quality"]
    is_clean = (
        not found["noisy"]
        and found["sigma_255"] <= CLEAN_SIGMA_255
        and (quality is None or quality >= CLEAN_JPEG_QUALITY)
        and found["blur"] <= CLEAN_BLUR
    )
    return CLEAN if is_clean else REAL


def without_hidden(image: Tensor, alpha: Tensor) -> Tensor:
    """The picture with the colour of what is visible nearby in place of colours that are fully transparent.

    Those may be anything and would bleed into what is visible.

    Args:
        image: (N, 3, H, W).
        alpha: (N, 1, H, W), 0 = transparent.
    """
    side = 2 * HIDDEN_PX + 1
    weight, weighted = (F.avg_pool2d(values, side, 1, HIDDEN_PX) for values in (alpha, image * alpha))
    is_taken = (alpha == 0) & (weight > 0)
    return torch.where(is_taken, weighted / weight.clamp_min(1e-9), image)


def _forward(network: Upscaler, scale: int, tiles: Tensor, are_grey: Sequence[bool]) -> Tensor:
    image = tiles[:, :3]
    if tiles.shape[1] > 3:
        image = without_hidden(image, tiles[:, 3:])
    chosen = torch.tensor(are_grey, device=image.device)
    lq = F.interpolate(image, scale_factor=scale, mode="bilinear") if chosen.any() else image
    return for_grey(network(image, scale), lq, chosen)


def _smooth(scale: int, tiles: Tensor, _contexts: Sequence[Any]) -> Tensor:
    """Opacity must not ring at its edges."""
    return F.interpolate(tiles, scale_factor=scale, mode="bilinear")


@contextlib.contextmanager
def _job(workspace: Workspace) -> Iterator[TileJob]:
    image, scale = workspace.before("upscaled"), workspace.options.scale
    sources = (image, workspace.plane("alpha")) if "alpha" in workspace.envelope.planes else (image,)
    _, h, w = image.shape
    with workspace.new_plane("upscaled", (3, scale * h, scale * w), "uint16") as target:
        yield TileJob(sources, target, context=is_grey(workspace))


@contextlib.contextmanager
def _alpha_job(workspace: Workspace) -> Iterator[TileJob]:
    alpha, scale = workspace.plane("alpha"), workspace.options.scale
    _, h, w = alpha.shape
    with workspace.new_plane("upscaled_alpha", (1, scale * h, scale * w), alpha.dtype.name) as target:
        yield TileJob((alpha,), target)


def _report(workspace: Workspace, name: str) -> None:
    scale = workspace.options.scale
    _, height, width = workspace.plane("upscaled").shape
    workspace.envelope.current = "upscaled"
    workspace.envelope.estimates["upscale"] = {"scale": scale, "network": name}
    kind = "a clean picture" if name == CLEAN else "a photograph as it came"
    workspace.ran("upscale", f"x{scale} to {width}x{height} by {name}: {kind}")
