"""See how thick the haze is, and whether there is any, from one view of the whole picture: HazeNetwork.

It makes no pixels, but what the model of haze needs (`hazing`). Both are bound to what the view shows: the air's light
is near the light of some of its pixels, and haze takes no more than what would leave the darkest pixel nearby black, of
which the dark channel prior takes a fixed part.
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
from photorestore.pixels.lab import linear_of
from photorestore.pixels.tensors import luma
from photorestore.stages.weather.dark_channel import dark_channel

VIEW_PX = 256
"""Longest side of the view."""
STRIDE = 4
"""Sides, in pixels of the view, of the squares that share one value."""
LEAST_SHARE = 0.04
"""Least share of the light that is said to come through: what is divided by less would be noise."""
RADIUS_PX = 8
"""Of the squares of the view in which the share of light is a linear function of luma, see `veil`."""
NEAR_PX = 7
"""Sides of the squares whose darkest value and contrast are shown to the network."""
TAKEN_BIAS, AIR_BENT = 0.5, 0.5
"""A new network takes .6 of the haze that there may be; the air's light is at most by a factor of e^.5 another than
what is seen."""


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
        widths: channels at stride 2, 4, 8, 16 and 32.
    """

    descriptor = Descriptor(
        "HazeNetwork", (Port("view", "N 3 V U", 0, 1),), Port("haze", kind=Haze), in_bfloat16=False
    )

    def __init__(self, widths: Sequence[int] = (16, 24, 40, 56, 64)) -> None:
        super().__init__()
        deep = widths[-1]
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, 2, 1) for before, after in pairwise((7, *widths))
        )
        self.blocks_in = nn.ModuleList(ResidualBlock(width, bias=True) for width in widths[1:])
        self.think = nn.Sequential(nn.Linear(2 * deep, 2 * deep), nn.ReLU(), nn.Linear(2 * deep, deep + 4))
        self.up = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths[1:]))
        self.blocks_out = nn.ModuleList(ResidualBlock(width, bias=True) for width in widths[1:-1])
        self.tail = nn.Conv2d(widths[1], 2, 3, padding=1)

    def forward(self, view: Tensor) -> Haze:
        """Look at views (N, 3, V, U) in [0, 1], sides multiples of 32."""
        maps, numbers = self.numbers_of(view)
        light = linear_of(view)
        attention = maps[:, 1:].flatten(2).softmax(2)
        seen = (F.avg_pool2d(light, STRIDE).flatten(2) * attention).sum(2)
        air = (seen * (AIR_BENT * numbers[:, :3].tanh()).exp()).clamp(LEAST_SHARE, 1)[..., None, None]
        darkest = -F.max_pool2d(-(light / air).amin(1, keepdim=True), 2 * STRIDE + 1, STRIDE, STRIDE)
        share = 1 - (maps[:, :1] + TAKEN_BIAS).sigmoid() * darkest
        share = enlarge_bilinear(share.clamp(LEAST_SHARE, 1), STRIDE)
        return Haze(share, air, numbers[:, 3])

    def numbers_of(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the haze is made from: two maps (N, 2, V / STRIDE, U / STRIDE), and four numbers a view."""
        features, levels = shown(view), []
        for index, shrink in enumerate(self.down):
            features = F.relu(shrink(features))
            if index:
                features = self.blocks_in[index - 1](features)
                levels.append(features)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        whole, numbers = self.think(pooled).split((features.shape[1], 4), 1)
        features = features + whole[..., None, None]
        for index in reversed(range(len(self.up))):
            features = enlarge_bilinear(self.up[index](F.relu(features)), 2) + levels[index]
            features = self.blocks_out[index](F.relu(features))
        return self.tail(F.relu(features)).float(), numbers.float()

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        maps, numbers = self.numbers_of(image)
        return torch.cat([numbers.flatten(), maps.flatten()])


def shown(view: Tensor) -> Tensor:
    """Return what of views the network looks at, (N, 7, V, U): colours, their darkest nearby, luma and its contrast."""
    view = view.contiguous()  # which is pooled faster
    least, grey = view.amin(1, keepdim=True), luma(view)
    mean, square = near_mean(torch.cat([grey, grey.square()], 1)).split(1, 1)
    contrast = 0.25 * ((square - mean.square()).clamp_min(0) + 1e-5).log() + 1.5
    off = grey - grey.mean((2, 3), keepdim=True)
    spread = 0.5 * off / (off.square().mean((2, 3), keepdim=True) + 1e-4).sqrt()
    parts = [view - 0.5, least - 0.5, dark_channel(view, NEAR_PX) - 0.5, contrast, spread]
    return torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)


def near_mean(planes: Tensor) -> Tensor:
    """Return the means of the squares of `NEAR_PX` around each pixel."""
    rows = F.avg_pool2d(planes, (1, NEAR_PX), 1, (0, NEAR_PX // 2), count_include_pad=False)
    return F.avg_pool2d(rows, (NEAR_PX, 1), 1, (NEAR_PX // 2, 0), count_include_pad=False)
