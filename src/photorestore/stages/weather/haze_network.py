"""See how thick the haze is from one view of the whole picture: HazeNetwork.

It makes no pixels, but what the model of haze needs (`hazing`): the light of the air, and for each pixel of the view
how much of the scene's own light comes through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import ResidualBlock, enlarge_bilinear
from photorestore.networks.descriptor import Descriptor, Port

LEAST_SHARE = 0.08
"""Least share of the light that is said to come through: what is divided by less would be noise."""
DARK_PX = 9
"""Sides of the squares whose darkest value is shown to the network, after He et al. (`dark_channel`)."""
CLEAR_BIAS, AIR_BIAS = 2.5, 2.0
"""A new network sees little haze, of bright air."""


@dataclass(frozen=True, slots=True)
class Haze:
    """The haze of a batch of views.

    Attributes:
        share: of the scene's own light that comes through, (N, 1, V, U) in [0, 1].
        air: the light of the air, linear sRGB, (N, 3, 1, 1) in [0, 1].
        presence: logit that there is haze, (N,).
    """

    share: Tensor
    air: Tensor
    presence: Tensor


class HazeNetwork(nn.Module):
    """View in, `Haze` out.

    Args:
        widths: channels at stride 2, 4, 8 and 16.
    """

    descriptor = Descriptor(
        "HazeNetwork", (Port("view", "N 3 V U", 0, 1),), Port("haze", kind=Haze), in_bfloat16=False
    )

    def __init__(self, widths: Sequence[int] = (16, 24, 40, 56)) -> None:
        super().__init__()
        deep = widths[-1]
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, 2, 1) for before, after in zip((5, *widths[:-1]), widths, strict=True)
        )
        self.blocks_in = nn.ModuleList(ResidualBlock(width, bias=True) for width in widths)
        self.think = nn.Sequential(nn.Linear(2 * deep, 2 * deep), nn.ReLU(), nn.Linear(2 * deep, deep + 4))
        self.up = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths))
        self.blocks_out = nn.ModuleList(ResidualBlock(width, bias=True) for width in widths[:-1])
        self.tail = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, view: Tensor) -> Haze:
        """Look at views (N, 3, V, U) in [0, 1], sides multiples of 16."""
        share, numbers = self.numbers_of(view)
        share = LEAST_SHARE + (1 - LEAST_SHARE) * (share + CLEAR_BIAS).sigmoid()
        return Haze(share, (numbers[:, :3] + AIR_BIAS).sigmoid()[..., None, None], numbers[:, 3])

    def numbers_of(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the haze is made from: a map (N, 1, V, U), and four numbers a picture."""
        least = view.amin(1, keepdim=True)
        dark = -F.max_pool2d(-least, DARK_PX, 1, DARK_PX // 2)
        features, levels = torch.cat([view - 0.5, least, dark], 1), []
        for shrink, block in zip(self.down, self.blocks_in, strict=True):
            features = block(F.relu(shrink(features)))
            levels.append(features)
        whole, numbers = self.think(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)).split(
            (features.shape[1], 4), 1
        )
        features = features + whole[..., None, None]
        for index in reversed(range(len(self.up))):
            features = enlarge_bilinear(self.up[index](features), 2) + levels[index]
            features = self.blocks_out[index](F.relu(features))
        return enlarge_bilinear(self.tail(features), 2).float(), numbers.float()

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        share, numbers = self.numbers_of(image)
        return torch.cat([numbers.flatten(), share.flatten()])
