"""Mix what a network made of a picture with what it was given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from photorestore.networks.tiling import Tiles
from photorestore.pixels.grey import for_grey


@dataclass(frozen=True, slots=True)
class Blend:
    """How much of a network's result is taken, 0 to 1, and whether the picture is grey and so stays."""

    strength: float
    is_grey: bool


def blend(pred: Tensor, tiles: Tiles[Blend]) -> Tensor:
    """Return the mixture of a result (N, 3, H, W) and the tiles that it was made of, each by its picture's `Blend`."""
    image, contexts = tiles.planes["image"], [job.context for job in tiles.jobs]
    strength = torch.tensor([context.strength for context in contexts], device=image.device)
    are_grey = torch.tensor([context.is_grey for context in contexts], device=image.device)
    return torch.lerp(image, for_grey(pred, image, are_grey), strength.view(-1, 1, 1, 1))
