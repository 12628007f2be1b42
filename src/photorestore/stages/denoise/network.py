"""Remove noise, grain and JPEG artefacts: DenoiseUNet.

A residual U-Net in the manner of DRUNet (Zhang et al., TPAMI 2021): bias-free, noise level in,
residual out. It differs in two ways: it works on 2x2 pixel blocks from the start, because wide
convolutions at half size cost a CPU far less than narrow ones at full size; and the noise level is
optional, with a second map that says whether it was given.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import constant_map, convolve_exactly, pad_to_multiple, residual_stack
from photorestore.networks.descriptor import Descriptor, Port

NOISY = Port("image", "N 3 H W", -0.5, 1.5)
"""A picture in [0, 1]; noise may take it far outside."""


class DenoiseUNet(nn.Module):
    """Noisy image in, denoised image out; the result is not clamped.

    Args:
        widths: channels at stride 2, 4, 8, ...
        depths: residual blocks at each of these strides (each side of the U).
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(widths))
        self.descriptor = Descriptor(
            "DenoiseUNet",
            (NOISY, Port("sigma", "N", 0, 1, is_optional=True)),
            Port("denoised", "N 3 H W", 0, 1),
            stride=2 ** len(widths),
            reach_px=_reach_px(depths),
        )
        self.head = nn.Conv2d(4 * 3 + 2, widths[0], 3, padding=1, bias=False)
        self.encoders = nn.ModuleList(map(residual_stack, widths[:-1], depths[:-1]))
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, 2, 2, bias=False) for fine, coarse in pairs)
        self.body = residual_stack(widths[-1], depths[-1])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, 2, bias=False) for fine, coarse in pairs)
        self.decoders = nn.ModuleList(map(residual_stack, widths[:-1], depths[:-1]))
        self.tail = nn.Conv2d(widths[0], 4 * 3, 3, padding=1, bias=False)

    def forward(self, image: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Denoise.

        Args:
            image: (N, 3, H, W) in [0, 1]; noise may take it outside.
            sigma: (N,), or a map (N, 1, H, W) where it differs over the picture: standard deviation of the
                noise in [0, 1] units. A negative value means unknown (blind), None so everywhere.

        Returns:
            (N, 3, H, W), float32, not clamped.
        """
        n, _, h, w = image.shape
        padded = pad_to_multiple(image, self.descriptor.stride)
        blocks = F.pixel_unshuffle(padded, 2)  # (N, 12, H/2, W/2)
        level = torch.full((n,), -1.0, device=image.device) if sigma is None else sigma
        levels = (
            constant_map(level, blocks)
            if level.ndim == 1
            else F.avg_pool2d(pad_to_multiple(level, self.descriptor.stride), 2)
        )
        residual = self._residual(torch.cat([blocks, levels.clamp_min(0), (levels >= 0).to(blocks)], dim=1))
        return (padded.float() + F.pixel_shuffle(residual.float(), 2))[..., :h, :w]

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        seen: Tensor = self(image)
        return seen - image

    def _residual(self, features: Tensor) -> Tensor:
        features = convolve_exactly(self.head, features)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(features))
            features = down(skips[-1])
        features = self.body(features)
        for up, decoder in zip(reversed(self.ups), reversed(self.decoders), strict=True):
            features = decoder(up(features) + skips.pop())
        return self.tail(features)


def _reach_px(depths: tuple[int, ...]) -> int:
    """How far, in pixels, an input can influence an output (radius, an upper bound)."""
    radius = 2 * (1 + 1)  # head and tail at stride 2
    for level, depth in enumerate(depths, start=1):
        convolutions = 2 * depth * (2 if level < len(depths) else 1)  # encoder and decoder
        radius += convolutions * 2**level
    return radius + 2 ** len(depths)  # alignment of strided blocks
