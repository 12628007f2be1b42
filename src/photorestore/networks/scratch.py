"""ScratchUNet: finds scratches, hairs, tears, dust and folds.

A U-Net with blur-pool downsampling (Zhang, ICML 2019) like the detector of Wan et al. (CVPR 2020), with three
differences. It works at native resolution in tiles, since a fixed 256-px view misses thin scratches on large
scans. It sees colour where there is any, because dust is often grey on a coloured picture; a grey picture is three
equal channels. And it works on 2x2 pixel blocks from the start, in channels wide enough for a CPU's matrix unit.

There is no context view of the whole picture: at stride 16 a pixel already sees some hundred pixels around it, and a
scratch is told from a wire by how it is drawn and by what it crosses, both of which are local; a picture's amount of
damage differs too much from place to place to be a useful prior.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import ResidualBlock, pad_to_multiple, residual_stack

CONTRAST = 4.0
"""Brings photographs to a variance of about 1, at which the layers, which have no normalisation, are initialised."""
RARE_LOGIT = -4.0
"""Where the logits start: damage is rare, and a detector that begins at one half first unlearns that."""


class ScratchUNet(nn.Module):
    """Image in, logits of damage out.

    Args:
        widths: channels at stride 2, 4, 8, ...
        depths: residual blocks at each of these strides (each side of the U).
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.stride = 2 ** len(widths)
        self.receptive_field_px = _receptive_field_px(depths)
        self.head = nn.Conv2d(4 * 3, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(_stack(*level) for level in zip(widths[:-1], depths[:-1], strict=True))
        self.downs = nn.ModuleList(BlurDown(fine, coarse) for fine, coarse in pairs)
        self.body = _stack(widths[-1], depths[-1])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, 2) for fine, coarse in pairs)
        self.decoders = nn.ModuleList(_stack(*level) for level in zip(widths[:-1], depths[:-1], strict=True))
        self.tail = nn.Conv2d(widths[0], 4, 3, padding=1)
        self._initialise()

    def forward(self, image: Tensor) -> Tensor:
        """Look for damage.

        Args:
            image: (N, 3, H, W), or luma (N, 1, H, W), in [0, 1].

        Returns:
            scratch_logits (N, 1, H, W), float32.
        """
        h, w = image.shape[-2:]
        padded = pad_to_multiple(image.expand(-1, 3, -1, -1), self.stride)
        features = self.head(F.pixel_unshuffle(CONTRAST * (padded - 0.5), 2))  # (N, widths[0], H/2, W/2)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(features))
            features = down(skips[-1])
        features = self.body(features)
        for up, decoder in zip(reversed(self.ups), reversed(self.decoders), strict=True):
            features = decoder(up(features) + skips.pop())
        return F.pixel_shuffle(self.tail(features).float(), 2)[..., :h, :w]

    def _initialise(self) -> None:
        """Keep the variance through all levels, so that the coarse ones learn from the first step on."""
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.kaiming_normal_(module.first.weight, nonlinearity="relu")
            elif isinstance(module, BlurDown):
                nn.init.normal_(module.mix.weight, std=module.mix.in_channels**-0.5)
            elif isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=module.in_channels**-0.5)
        nn.init.kaiming_normal_(self.head.weight, nonlinearity="linear")
        nn.init.normal_(self.tail.weight, std=0.01)
        nn.init.constant_(self.tail.bias, RARE_LOGIT)  # type: ignore[arg-type]


class BlurDown(nn.Module):
    """Blur, halve, change the width: one convolution whose 4x4 kernel is a fixed binomial times learned weights.

    As a dense convolution it is faster on a CPU than a depthwise blur and a pointwise convolution.
    """

    binomial: Tensor

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(fine, coarse, 1)
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("binomial", torch.outer(taps, taps), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(N, fine, H, W) to (N, coarse, H/2, W/2)."""
        return F.conv2d(features, self.mix.weight * self.binomial, self.mix.bias, stride=2, padding=1)


def _stack(channels: int, depth: int) -> nn.Sequential:
    return residual_stack(channels, depth, bias=True)


def _receptive_field_px(depths: tuple[int, ...]) -> int:
    """How far, in pixels, an input can influence an output (radius, an upper bound)."""
    radius = 2 * (1 + 1)  # head and tail at stride 2
    for level, depth in enumerate(depths, start=1):
        convolutions = 2 * depth * (2 if level < len(depths) else 1)  # encoder and decoder
        radius += convolutions * 2**level
        radius += 2**level if level < len(depths) else 0  # blur
    return radius + 2 ** len(depths)  # alignment of strided blocks
