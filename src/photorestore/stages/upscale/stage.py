"""Upscale: super-resolution x2 and x4."""

from __future__ import annotations

import contextlib
import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from photorestore.networks.blocks import enlarge_bilinear
from photorestore.networks.tiling import TileJob, TileSpec, tile_spec
from photorestore.pixels.grey import for_grey
from photorestore.stages.base import ChoosingStage
from photorestore.stages.preprocess.findings import findings_of, is_grey
from photorestore.stages.upscale.findings import UpscaleFindings
from photorestore.stages.upscale.network import Upscaler
from photorestore.workspace import Workspace

CLEAN, REAL = "upscale", "upscale_real"
"""The network for pictures that lack nothing but pixels, and the one for photographs as they come."""
CLEAN_SIGMA_255 = 3.0
CLEAN_JPEG_QUALITY = 90
CLEAN_BLUR = 0.35
"""Most noise, least quality and most blur (see `Estimates`) of a picture that lacks nothing but pixels. Of 36
training photographs shrunk by bicubic three quarters are such, of the same with second-order degradations a third."""


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
        return tile_spec(network, 2 * self.config.tile_px // scale, self.config.tile_batch, scale)


def choose(workspace: Workspace) -> str:
    """The network for a picture: `CLEAN` where nothing is wrong with it and no stage has changed it."""
    found = findings_of(workspace)
    is_clean = (
        workspace.name_before("upscaled") == "image"
        and not found.noisy
        and found.sigma_255 <= CLEAN_SIGMA_255
        and (found.jpeg_quality is None or found.jpeg_quality >= CLEAN_JPEG_QUALITY)
        and found.blur <= CLEAN_BLUR
    )
    return CLEAN if is_clean else REAL


def _forward(network: Upscaler, scale: int, tiles: Tensor, contexts: Sequence[tuple[bool, bool]]) -> Tensor:
    are_grey, are_one_colour = torch.tensor(contexts, device=tiles.device).unbind(1)
    lq = enlarge_bilinear(tiles, scale)
    pred = for_grey(network(tiles, scale), lq, are_grey)
    return torch.where(are_one_colour.view(-1, 1, 1, 1), lq, pred)


def _smooth(scale: int, tiles: Tensor, _contexts: Sequence[Any]) -> Tensor:
    """Opacity must not ring at its edges."""
    return enlarge_bilinear(tiles, scale)


@contextlib.contextmanager
def _job(workspace: Workspace) -> Iterator[TileJob]:
    image, scale = workspace.before("upscaled"), workspace.options.scale
    _, h, w = image.shape
    is_one_colour = findings_of(workspace).one_colour
    with workspace.new_plane("upscaled", (3, scale * h, scale * w), "uint16") as target:
        yield TileJob((image,), target, context=(is_grey(workspace), is_one_colour))


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
    workspace.envelope.estimates["upscale"] = UpscaleFindings(scale, name)
    kind = "a clean picture" if name == CLEAN else "a photograph as it came"
    workspace.ran("upscale", f"x{scale} to {width}x{height} by {name}: {kind}")
