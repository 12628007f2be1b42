"""Run Deep Image Prior as a stage's network: in steps that are noted, and stop once nobody waits."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from photorestore.long_work import check_size
from photorestore.networks.deep_prior import FILLS, restore
from photorestore.networks.descriptor import Descriptor
from photorestore.networks.runner import Runner
from photorestore.progress import note_steps
from photorestore.workspace import Workspace

NOTED_EVERY = 10
"""Steps between notes of how many are done."""
TILE_PX = 1024
"""Side of the tiles: as many pixels as no picture has that is small enough."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A network that is fitted to each picture that it is given.

    Attributes:
        descriptor: what it does, one of `DENOISES`, `FILLS` and `ENLARGES`.
        workspace: of the request.
        stage: which works on it.
    """

    descriptor: Descriptor
    workspace: Workspace
    stage: str

    def __call__(self, image: Tensor, told: Tensor | int) -> Tensor:
        """Restore pictures (N, 3, H, W), told the level of their noise, where they are damaged, or the scale."""
        restored = []
        for number, picture in enumerate(image.cpu().float().split(1)):
            is_grey = bool((picture == picture[:, :1]).all())
            known = torch.ones_like(picture[:, :1], dtype=torch.bool)
            if self.descriptor is FILLS and isinstance(told, Tensor):
                known = told[number : number + 1].cpu() == 0
            scale = told if isinstance(told, int) else 1
            result = restore(picture[:, :1] if is_grey else picture, known, self._step, scale)
            if self.descriptor is FILLS:
                result = torch.where(known, picture, result)
            restored.append(result.expand(-1, 3, -1, -1))
        return torch.cat(restored).to(image.device)

    def _step(self, number: int, steps: int) -> None:
        self.workspace.require_wanted()
        if number % NOTED_EVERY == 1:
            note_steps(self.workspace.directory, self.stage, number - 1, steps)


def fitted(descriptor: Descriptor, workspace: Workspace, stage: str, usual: Runner[Tensor]) -> Runner[Tensor]:
    """Return a runner of a network that is fitted to a request's picture.

    It takes no turn, which is half of the cores at least: a step of fitting computes on one thread.

    Raises:
        UnsupportedOption: the picture is too large for that.
    """
    _, height, width = workspace.plane("image").shape
    check_size(workspace.options, height * width * workspace.options.scale**2)
    network = Fitted(descriptor, workspace, stage)
    return replace(usual, network=network, tile_px=TILE_PX, tile_batch=1, turn=nullcontext())
