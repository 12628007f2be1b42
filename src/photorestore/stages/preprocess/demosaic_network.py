"""Fill in the two colours that each pixel of a sensor's mosaic lacks: Demosaicker.

Unrolled majorisation-minimisation (Kokkinos and Lefkimmiatis, *Iterative Residual Network for Deep Joint Image
Demosaicking and Denoising*, TIP 2019): in turn the measured samples replace those of the picture so far, and one
denoiser, the same in every iteration, cleans what comes of it. Here the denoiser is also shown which samples were
measured, so one network serves every pattern of colours; it works on blocks of 2x2 pixels, and what it saw an
iteration before is added to what it sees.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import constant_map, pad_to_multiple, residual_stack
from photorestore.networks.descriptor import Descriptor, Port

STRIDE = 2
KERNEL = (1.0, 6.0, 15.0, 20.0, 15.0, 6.0, 1.0)
"""Of the weighted means that the first iteration begins with, along either axis."""
RADIUS = len(KERNEL) // 2
LEAST_WEIGHT = 1e-6


class Demosaicker(nn.Module):
    """Mosaic, pattern and noise level in, picture out; the result is not clamped.

    Values are those of a camera's channels after black level and white balance, encoded by the curve of sRGB, which
    makes noise nearly the same in dark and bright places.

    Args:
        width: channels of the denoiser.
        depth: its residual blocks.
        iterations: how often it is run.
    """

    def __init__(self, width: int, depth: int, iterations: int) -> None:
        super().__init__()
        self.descriptor = Descriptor(
            "Demosaicker",
            (
                Port("mosaic", "N 1 H W", 0, 1),
                Port("pattern", "N 3 H W", 0, 1),
                Port("sigma", "N", 0, 1),
            ),
            Port("image", "N 3 H W", 0, 1),
            stride=STRIDE,
            reach_px=RADIUS + STRIDE * (iterations * (2 * depth + 2) + 1),
        )
        self.head = nn.Conv2d(4 * (3 + 3) + 1, width, 3, padding=1)
        self.body = residual_stack(width, depth, bias=True)
        self.tail = nn.Conv2d(width, 4 * 3, 3, padding=1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)
        # What interpolation adds to the noise, and how far each iteration goes beyond the one before.
        self.levels = nn.Parameter(torch.linspace(0.1, 0.0, iterations))
        self.momentum = nn.Parameter(torch.zeros(iterations))

    def forward(self, mosaic: Tensor, pattern: Tensor, sigma: Tensor) -> Tensor:
        """Demosaick.

        Args:
            mosaic: (N, 1, H, W), what each pixel measured.
            pattern: (N, 3, H, W), 1 for the colour that it measured, else 0.
            sigma: (N,), the noise's.

        Returns:
            (N, 3, H, W), float32, not clamped.
        """
        h, w = mosaic.shape[-2:]
        measured = pad_to_multiple(mosaic.float(), STRIDE)
        pattern = pad_to_multiple(pattern.float(), STRIDE)
        image = before = weighted_means(measured * pattern, pattern)
        places = F.pixel_unshuffle(pattern, 2)
        noise = constant_map(sigma.float(), places)
        seen: Tensor | None = None
        for level, momentum in zip(self.levels, self.momentum, strict=True):
            image, before = image + momentum * (image - before), image
            majorised = torch.lerp(image, measured.expand_as(image), pattern)
            features = self.head(torch.cat([F.pixel_unshuffle(majorised, 2), places, noise + level], 1))
            seen = self.body(features if seen is None else features + seen)
            image = majorised + F.pixel_shuffle(self.tail(seen).float(), 2)
        return image[..., :h, :w]

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        pattern = pattern_planes(("RG", "GB"), *image.shape[-2:]).to(image)[None]
        mosaic = (image * pattern).sum(1, keepdim=True)
        seen: Tensor = self(mosaic, pattern, mosaic.new_full((1,), 0.02))
        return seen - weighted_means(mosaic * pattern, pattern)


def weighted_means(measured: Tensor, pattern: Tensor) -> Tensor:
    """Return for each pixel and colour a weighted mean of what was measured around it.

    Args:
        measured: (N, 3, H, W), 0 where nothing was.
        pattern: (N, 3, H, W), 1 where something was.
    """
    return spread(measured) / spread(pattern).clamp_min(LEAST_WEIGHT)


def spread(planes: Tensor) -> Tensor:
    """Blur planes (..., H, W) by `KERNEL`, with zeros around.

    Sums of shifted planes stay in float32 where a convolution would not.
    """
    weights = [weight / sum(KERNEL) for weight in KERNEL]
    h, w = planes.shape[-2:]
    padded = F.pad(planes, (RADIUS, RADIUS, RADIUS, RADIUS))
    rows = weights[0] * padded[..., :h, :]
    for i, weight in enumerate(weights[1:], 1):
        rows.add_(padded[..., i : i + h, :], alpha=weight)
    result = weights[0] * rows[..., :w]
    for i, weight in enumerate(weights[1:], 1):
        result.add_(rows[..., i : i + w], alpha=weight)
    return result


def pattern_planes(rows: Sequence[str], h: int, w: int, top: int = 0, left: int = 0) -> Tensor:
    """Return which pixels measure red, green and blue: (3, H, W), 0 or 1.

    Args:
        rows: of the pattern's period, in the letters RGB.
        top, left: where in the period the first pixel lies.
    """
    period = torch.tensor([["RGB".index(letter) for letter in row] for row in rows])
    down = (torch.arange(h) + top) % period.shape[0]
    across = (torch.arange(w) + left) % period.shape[1]
    colours = period[down][:, across]
    return torch.stack([colours == colour for colour in range(3)]).float()
