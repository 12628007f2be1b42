"""See how thick haze is by the dark channel prior, the classical method.

He, Sun and Tang, *Single Image Haze Removal Using Dark Channel Prior* (CVPR 2009; TPAMI 2011): nearly every small
square of a clear photograph outdoors has something dark in one channel, so what is bright there is haze. Here in linear
light, see `hazing`.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.lab import linear_of

LEAST_SHARE, AIR_SHARE = 0.1, 1e-3
"""As published: the least share of light that is said to come through, and the share of the pixels, the haziest, of
which the brightest shows the air's light."""
SQUARE_PX, TAKEN_SHARE = 25, 0.8
"""Side of the squares, and how much of the haze is taken. Published: 15 and .95, which on held-out training
photographs gain .9 dB more on average, but lose 5.7 dB with one where these gain .7 at least, and take 6 dB more from
clear ones."""


def dark_channel(image: Tensor, square_px: int) -> Tensor:
    """Return the darkest value (N, 1, H, W) of any channel in the square around each pixel of (N, C, H, W)."""
    bright = -image.amin(1, keepdim=True)
    for side, pad in (((square_px, 1), (square_px // 2, 0)), ((1, square_px), (0, square_px // 2))):
        bright = F.max_pool2d(bright, side, 1, pad)
    return -bright


def haze_of(view: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of the light that comes through, (1, 1, V, U), and the air's light, as `hazing.hazy` takes them.

    Args:
        view: of a whole picture, sRGB (1, 3, V, U) in [0, 1].
    """
    light = linear_of(view)
    haziest = (
        dark_channel(light, SQUARE_PX).flatten().topk(max(1, round(AIR_SHARE * view[0, 0].numel()))).indices
    )
    colours = light.flatten(2)[0, :, haziest]  # (3, n)
    air = colours[:, colours.sum(0).argmax()].view(1, 3, 1, 1).clamp_min(LEAST_SHARE)
    share = 1 - TAKEN_SHARE * dark_channel(light / air, SQUARE_PX)
    return share.clamp(LEAST_SHARE, 1), air
