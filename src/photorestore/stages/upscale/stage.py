"""Upscale: enlarge x2 and x4 by super-resolution."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from photorestore.errors import UnavailableNetwork
from photorestore.methods import DIP
from photorestore.networks.blocks import enlarge_bilinear
from photorestore.networks.deep_prior import ENLARGES
from photorestore.networks.tiling import TileJob, Tiles
from photorestore.pixels.grey import for_grey
from photorestore.stages.deep_prior import fitted
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import findings_of, is_grey
from photorestore.stages.upscale.findings import UpscaleFindings
from photorestore.stages.upscale.network import Bilinear
from photorestore.workspace import Workspace

CLEAN, REAL = "upscale", "upscale_real"
"""The network for clean pictures, which lack nothing but pixels, and the one for photographs as they come."""
CLEAN_SIGMA_255 = 3.0
CLEAN_JPEG_QUALITY = 90
CLEAN_BLUR = 0.35
"""Most noise, least quality and most blur (see `Estimates`) of a clean picture. Of 36 training photographs
shrunk bicubically three quarters are clean, of the same with second-order degradations a third."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the picture is."""

    is_grey: bool
    is_one_colour: bool


class UpscaleStage(NetworkStage):
    """Writes the planes `upscaled` and, where there is opacity, `upscaled_alpha`, where `scale` is above 1."""

    name: ClassVar[str] = "upscale"

    def run(self, batch: Sequence[Workspace]) -> None:
        groups: dict[tuple[str, int, bool], list[Workspace]] = defaultdict(list)
        for workspace in batch:
            if workspace.options.scale == 1:
                workspace.passed(self.name, "not asked for")
                continue
            self._require_scale(workspace)
            has_alpha = "alpha" in workspace.envelope.planes
            groups[choose(workspace), workspace.options.scale, has_alpha].append(workspace)
        for (name, scale, has_alpha), members in groups.items():
            self._enlarge(members, name, scale, has_alpha=has_alpha)
            for workspace in members:
                _report(workspace, name)

    def _require_scale(self, workspace: Workspace) -> None:
        """Raise `UnavailableNetwork` where a network from elsewhere does not enlarge by what is asked for."""
        scales, scale = self.networks[CLEAN].descriptor.scales, workspace.options.scale
        if scale not in scales:
            name = workspace.options.network_of(self.name)
            raise UnavailableNetwork(f"scale is {scale}, but the network {name!r} enlarges by {scales[0]}")

    def _enlarge(self, members: Sequence[Workspace], name: str, scale: int, *, has_alpha: bool) -> None:
        """Write the planes of pictures for one network and one scale."""
        network = self.networks[CLEAN if name == DIP else name]
        with contextlib.ExitStack() as planes:
            jobs = [planes.enter_context(_job(workspace)) for workspace in members]
            if name == DIP:
                for workspace, job in zip(members, jobs, strict=True):
                    fitted(ENLARGES, workspace, self.name, network).fill([job], _finish, scale=scale)
            else:
                network.fill(jobs, _finish, scale=scale)
            if has_alpha:
                opacities = [planes.enter_context(_alpha_job(workspace)) for workspace in members]
                replace(network, network=Bilinear()).fill(opacities, scale=scale)


def choose(workspace: Workspace) -> str:
    """Choose the network for a picture: `CLEAN` where nothing is wrong with it and no stage has changed it.

    Callers may choose `DIP` instead.
    """
    if workspace.options.upscale_method == DIP:
        return DIP
    found = findings_of(workspace)
    is_clean = (
        workspace.name_before("upscaled") == "image"
        and not found.noisy
        and found.sigma_255 <= CLEAN_SIGMA_255
        and (found.jpeg_quality is None or found.jpeg_quality >= CLEAN_JPEG_QUALITY)
        and found.blur <= CLEAN_BLUR
    )
    return CLEAN if is_clean else REAL


def _finish(pred: Tensor, tiles: Tiles[Context]) -> Tensor:
    image, contexts = tiles.planes["image"], [job.context for job in tiles.jobs]
    are_grey = torch.tensor([context.is_grey for context in contexts], device=image.device)
    are_one_colour = torch.tensor([context.is_one_colour for context in contexts], device=image.device)
    lq = enlarge_bilinear(image, pred.shape[-1] // image.shape[-1])
    return torch.where(are_one_colour.view(-1, 1, 1, 1), lq, for_grey(pred, lq, are_grey))


@contextlib.contextmanager
def _job(workspace: Workspace) -> Iterator[TileJob[Context]]:
    image, scale = workspace.before("upscaled"), workspace.options.scale
    _, h, w = image.shape
    is_one_colour = findings_of(workspace).one_colour
    with workspace.new_plane("upscaled", (3, scale * h, scale * w), "uint16") as target:
        yield TileJob({"image": image}, target, Context(is_grey(workspace), is_one_colour))


@contextlib.contextmanager
def _alpha_job(workspace: Workspace) -> Iterator[TileJob[None]]:
    alpha, scale = workspace.plane("alpha"), workspace.options.scale
    _, h, w = alpha.shape
    with workspace.new_plane("upscaled_alpha", (1, scale * h, scale * w), alpha.dtype.name) as target:
        yield TileJob({"image": alpha}, target, None)


def _report(workspace: Workspace, name: str) -> None:
    scale = workspace.options.scale
    _, height, width = workspace.plane("upscaled").shape
    workspace.envelope.current = "upscaled"
    workspace.envelope.estimates["upscale"] = UpscaleFindings(scale, name)
    kinds = {CLEAN: ": a clean picture", REAL: ": a photograph as it came"}
    imported = workspace.options.network_of("upscale")
    by = imported or f"{name}{kinds.get(name, '')}"
    workspace.ran("upscale", f"x{scale} to {width}x{height} by {by}")
