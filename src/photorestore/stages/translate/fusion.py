"""Fuse the decoded translation with the picture itself.

The paper (Wan et al., CVPR 2020) delivers what the second VAE decodes; fine detail that a latent at stride 4
cannot hold is lost there, inside and outside of damage. Here a light network at full resolution judges how
much of each damaged pixel is still the photograph, mixes the rest from the translation and from the colours
around the hole, and adds detail.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import enlarge_bilinear, residual_stack
from photorestore.networks.box import Box

SWEEPS = (8, 4, 2, 0, 0)
"""Sweeps of `smooth_fill` at full, half, ... size; measured: as good as a hundred plain ones at full size."""
FILL_STRIDE = 2 ** (len(SWEEPS) - 1)
FILL_REACH_PX = 4 * FILL_STRIDE - 3 + sum(count * 2**level for level, count in enumerate(SWEEPS))
"""Radius within which `smooth_fill` looks: a cell and its neighbour at the coarsest level, one cell at each finer one,
and one pixel of its level for every sweep."""
LARGEST, SMALLEST = 1.34, 0.02
"""Range of eigenvalues, of the identity minus a 3x3 mean, that the sweeps damp: all large ones, few small ones."""


class Fusion(nn.Module):
    """Picture, translation and mask in, filled picture out.

    Args:
        width: channels at stride 2; twice as many at stride 4.
        depth: residual blocks at stride 4.
    """

    def __init__(self, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.head = nn.Conv2d(4 * 10, width, 3, padding=1)
        self.encoder = residual_stack(width, 1, bias=True)
        self.down = nn.Conv2d(width, 2 * width, 2, 2)
        self.body = residual_stack(2 * width, depth, bias=True)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.decoder = residual_stack(width, 1, bias=True)
        self.tail = nn.Conv2d(width, 4 * 5, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        # Six 3x3 convolutions at stride 2, the body's at stride 4, and the alignment of strided blocks.
        self.reach_px = 6 * 2 + 2 * depth * 4 + 3
        self.fill_reach_px = self.reach_px + FILL_REACH_PX

    def forward(
        self, image: Tensor, translation: Tensor, hole: Tensor, certainty: Tensor | None = None
    ) -> Tensor:
        """Fill.

        Args:
            image: (N, 3, H, W) in [0, 1], height and width multiples of 16.
            translation: (N, 3, H, W), what the clean VAE decoded.
            hole: (N, 1, H, W), 1 = in the mask.
            certainty: (N, 1, H, W) in [0, 1], how likely a pixel of the mask is damaged; by default 1.

        Returns:
            (N, 3, H, W), float32, not clamped: sensible inside the mask only.
        """
        return self.fuse(image, smooth_fill(image, hole), translation, hole, certainty)

    def fuse(
        self,
        image: Tensor,
        smooth: Tensor,
        translation: Tensor,
        hole: Tensor,
        certainty: Tensor | None = None,
        kept: Box | None = None,
    ) -> Tensor:
        """Fill, as `forward` does, where what `smooth_fill` gives is known; sides are multiples of 4.

        Args:
            kept: the part that is returned, edges multiples of 4; by default all of it.
        """
        kept = Box.all_of(image) if kept is None else kept
        marked = hole if certainty is None else hole * certainty
        out = self._judge(  # (N, 5, h, w)
            F.pixel_unshuffle(torch.cat([image - 0.5, smooth - 0.5, translation - 0.5, marked], dim=1), 2),
            kept,
        )
        opacity, detail, trust = torch.sigmoid(out[:, :1]), out[:, 1:4], torch.sigmoid(out[:, 4:])
        image, smooth, translation = (kept.of(each) for each in (image, smooth, translation))
        return image + opacity * (torch.lerp(smooth, translation, trust) - image) + detail

    def _judge(self, squares: Tensor, kept: Box) -> Tensor:
        """Return opacity, detail and trust before their ranges, of a part: (N, 5, h, w), float32.

        The nearer to the end, the less around the part is computed. What is not needed any more is let go: these are
        the largest maps there are.

        Args:
            squares: what is known, (N, 40, H/2, W/2).
            kept: in pixels.
        """
        features = self.head(squares)
        del squares
        skip = self.encoder(features)
        del features
        inside = self.down(skip)
        cells, seen = Box(*(edge // 4 for edge in kept)), Box.all_of(inside)
        *before, last = (cells.grown(2 * left + 2, 1, inside) for left in range(len(self.body), -1, -1))
        for needed, block in zip(before, self.body, strict=True):
            inside, seen = block(_cut(inside, seen, needed)), needed
        joined = Box(*(2 * edge for edge in last)).of(skip) + self.up(_cut(inside, seen, last))
        del skip, inside
        features = self.decoder(joined)
        found = F.pixel_shuffle(self.tail(features).float(), 2)
        return kept.within(Box(*(4 * edge for edge in last))).of(found)


def _cut(features: Tensor, seen: Box, needed: Box) -> Tensor:
    """Return a part of features of the part `seen`, by itself in memory."""
    if needed == seen:
        return features
    return needed.within(seen).of(features).contiguous(memory_format=torch.channels_last)


def smooth_fill(image: Tensor, hole: Tensor) -> Tensor:
    """Fill each hole as smoothly as the colours around it allow (Laplace's equation, nearly).

    A pyramid of what is known gives a first filling from coarse to fine, as push-pull does (Gortler et al., The
    Lumigraph, 1996); at the finer levels a few sweeps then replace unknown pixels by the mean of their 3x3
    neighbours, over-relaxed by Chebyshev's factors.

    Args:
        image: (N, 3, H, W), height and width multiples of 16.
        hole: (N, 1, H, W), 1 = unknown.
    """
    known = 1 - hole
    pyramid = [
        torch.cat([image * known, known], dim=1).float().contiguous()
    ]  # colour times share known, share
    for _ in SWEEPS[1:]:
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    around = F.avg_pool2d(pyramid[-1], 3, 1, 1)  # zeros beyond the border count as unknown
    filled = (around[:, :3] + 1e-4 * 0.5) / (around[:, 3:] + 1e-4)
    for level, count in zip(reversed(pyramid), reversed(SWEEPS), strict=True):
        if filled.shape[-1] < level.shape[-1]:
            filled = enlarge_bilinear(filled, 2)
        unknown = 1 - level[:, 3:]
        filled = level[:, :3] + unknown * filled
        for factor in _relaxation(count):
            change = _mean_3x3(filled).sub_(filled)
            filled = torch.addcmul(filled, unknown, change, value=factor)
    return filled


def _relaxation(count: int) -> list[float]:
    """Return Chebyshev's factors for `count` sweeps, small and large alternating, which keeps rounding errors small."""
    middle, half = (LARGEST + SMALLEST) / 2, (LARGEST - SMALLEST) / 2
    factors = sorted(
        1 / (middle + half * math.cos(math.pi * (2 * k + 1) / (2 * count))) for k in range(count)
    )
    return [factors[k // 2] if k % 2 == 0 else factors[-1 - k // 2] for k in range(count)]


def _mean_3x3(image: Tensor) -> Tensor:
    """The mean of each pixel's neighbourhood, which repeats the border: three rows, then three columns are added."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = (padded[..., :-2, :] + padded[..., 1:-1, :]).add_(padded[..., 2:, :])
    del padded
    return (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:]).div_(9)
