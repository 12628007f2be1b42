"""Fade the tone and colours of many photographs at once, as time does.

Dyes and silver lose density, each layer at its own pace; paper yellows; light that strays into a scan veils the
blacks; colours run into each other; edges fade first. Every function draws from the `rng` it is given; images are
(N, 3, H, W) in [0, 1].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.tensors import luma

GREY_SHARE, HAND_COLOURED_SHARE, SOUND_SHARE = 0.3, 0.1, 0.08
"""Shares of the samples that are grey, hand-coloured, and not faded at all."""
LEAST_LINEAR = 0.004
"""Light that black gives back, as a share of what paper does: a density of 2.4."""

Aged = tuple[Tensor, Tensor, Tensor]


def age(gt: Tensor, rng: torch.Generator) -> Aged:
    """Fade a batch of photographs.

    Returns:
        lq: (N, 3, H, W) in [0, 1].
        gt: what a restorer should give: the photographs, some of them grey or coloured by hand.
        known: (N, 1, H, W), 0 where damage hides the picture.
    """
    n = len(gt)
    is_grey = _chances(n, GREY_SHARE, rng)
    gt = torch.where(is_grey, grey(gt), gt)
    by_hand = ~is_grey & _chances(n, HAND_COLOURED_SHARE, rng)
    gt = torch.where(by_hand, hand_coloured(gt), gt)
    tie = (is_grey | by_hand | _chances(n, 0.1, rng)).float()  # channels that fade alike
    full = torch.where(_chances(n, 0.5, rng), lose_density(gt, tie, rng), lose_contrast(gt, tie, rng))
    full = torch.where(
        _chances(n, 0.4, rng) & ~by_hand, torch.lerp(full, grey(full), _draw(n, 0, 0.5, rng)), full
    )
    uneven = torch.where(_chances(n, 0.4, rng), _field(gt, rng), torch.ones_like(gt[:, :1]))
    lq = torch.lerp(torch.lerp(gt, full, _draw(n, 0.3, 0.95, rng)), full, uneven)
    leak = _draw(n, 0, 0.3, rng) * _chances(n, 0.08, rng) * _edge(gt, rng)
    lq = lq + leak * torch.where(is_grey, torch.ones(3, 1, 1), torch.tensor([1.0, 0.55, 0.2]).view(3, 1, 1))
    lq = torch.where(_chances(n, SOUND_SHARE, rng), gt, lq)
    return _scanned(lq, gt, is_grey, rng)


def grey(image: Tensor) -> Tensor:
    """Return the luma of (N, 3, H, W) in three equal channels."""
    return luma(image).expand_as(image)


def hand_coloured(image: Tensor) -> Tensor:
    """Make grey prints under thin, coarse colours: half of the chroma, blurred."""
    plain = grey(image)
    return (plain + 0.5 * F.avg_pool2d(image - plain, 7, 1, 3, count_include_pad=False)).clamp(0, 1)


def lose_density(gt: Tensor, tie: Tensor, rng: torch.Generator) -> Tensor:
    """Lower each layer's density, lay a stain over all of it, and let in stray light."""
    n = len(gt)
    kept = _by_channel(n, 0.3, 1.0, 0.25, tie, rng).clamp(0.2, 1)
    stain = _draw(n, 0, 0.22, rng) * _by_channel(n, 0.2, 1.0, 0.5, tie, rng).clamp(0)
    yellow = 1 + (1 - tie) * (torch.tensor([0.3, 0.7, 2.0]).view(3, 1, 1) - 1)
    density = -gt.clamp(0, 1).pow(2.2).clamp_min(LEAST_LINEAR).log10()
    veil = _draw(n, 0, 0.08, rng)
    light = 10 ** -(kept * density + stain * yellow)
    return (light * (1 - veil) + veil).clamp(1e-5, 1).pow(1 / 2.2)


def lose_contrast(gt: Tensor, tie: Tensor, rng: torch.Generator) -> Tensor:
    """Raise the blacks, lower the whites and bend the mid-tones, channel by channel."""
    n = len(gt)
    black = _by_channel(n, 0.0, 0.4, 0.12, tie, rng).clamp(0, 0.5)
    white = _by_channel(n, 0.6, 1.0, 0.12, tie, rng).clamp(0.55, 1)
    exponent = _by_channel(n, -0.4, 0.4, 0.15, tie, rng).exp()
    white = torch.maximum(white, black + 0.2)
    return black + (white - black) * gt.clamp(1e-5, 1) ** exponent


def _scanned(lq: Tensor, gt: Tensor, is_grey: Tensor, rng: torch.Generator) -> Aged:
    """Add noise and specks of white and black; round to 8 bits."""
    n, _, h, w = lq.shape
    noise = torch.randn(lq.shape, generator=rng) * _draw(n, 0, 0.03, rng)
    lq = lq + torch.where(is_grey, noise[:, :1], noise)
    share = _draw(n, 0, 0.01, rng) * _chances(n, 0.25, rng)
    is_speck = torch.rand((n, 1, h, w), generator=rng) < share
    lq = torch.where(is_speck, _chances(n, 0.5, rng).float(), lq)
    return (lq.clamp(0, 1) * 255).round() / 255, gt, (~is_speck).float()


def _field(image: Tensor, rng: torch.Generator) -> Tensor:
    """Draw a smooth field, (N, 1, H, W) in [0, 1]: anywhere, or from an edge."""
    nodes = torch.rand((len(image), 1, 3, 3), generator=rng)
    anywhere = F.interpolate(nodes, image.shape[-2:], mode="bicubic", align_corners=True).clamp(0, 1)
    return torch.where(_chances(len(image), 0.5, rng), anywhere, _edge(image, rng))


def _edge(image: Tensor, rng: torch.Generator) -> Tensor:
    """Draw a field that is 1 on a line outside the middle or all round, and 0 far from it: (N, 1, H, W)."""
    n, _, h, w = image.shape
    y = torch.linspace(-1, 1, h).view(1, 1, h, 1)
    x = torch.linspace(-1, 1, w).view(1, 1, 1, w)
    angle = _draw(n, 0, 2 * math.pi, rng)
    line = 1.3 - (x * angle.cos() + y * angle.sin())
    frame = 1 - torch.maximum(x.abs(), y.abs())
    distance = torch.where(_chances(n, 0.6, rng), line, frame)
    return torch.exp(-((distance.clamp_min(0) / _draw(n, 0.2, 0.9, rng)) ** 2))


def _draw(n: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    """Draw (N, 1, 1, 1) evenly."""
    return low + (high - low) * torch.rand((n, 1, 1, 1), generator=rng)


def _chances(n: int, probability: float, rng: torch.Generator) -> Tensor:
    """Draw (N, 1, 1, 1), bool, True with the given probability."""
    return torch.rand((n, 1, 1, 1), generator=rng) < probability


def _by_channel(n: int, low: float, high: float, apart: float, tie: Tensor, rng: torch.Generator) -> Tensor:
    """Draw (N, 3, 1, 1): evenly, and normally apart by channel where `tie` is 0."""
    return _draw(n, low, high, rng) + (1 - tie) * apart * torch.randn((n, 3, 1, 1), generator=rng)
