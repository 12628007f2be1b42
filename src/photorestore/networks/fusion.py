"""Fusion: the decoded translation and the picture itself, made one.

The paper (Wan et al., CVPR 2020) delivers what the second VAE decodes; fine detail that a latent at stride 4
cannot hold is lost there, inside and outside of damage. Here a light network at full resolution judges how
much of each damaged pixel is still the photograph, takes the rest from the translation, and adds detail.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import residual_stack


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
        self.tail = nn.Conv2d(width, 4 * 4, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]
        # Six 3x3 convolutions at stride 2, the body's at stride 4, and the alignment of strided blocks.
        self.receptive_field_px = 6 * 2 + 2 * depth * 4 + 3

    def forward(self, image: Tensor, translation: Tensor, hole: Tensor) -> Tensor:
        """Fill.

        Args:
            image: (N, 3, H, W) in [0, 1], height and width multiples of 4.
            translation: (N, 3, H, W), what the clean VAE decoded.
            hole: (N, 1, H, W), 1 = in the mask.

        Returns:
            (N, 3, H, W), float32, not clamped: sensible inside the mask only.
        """
        blanked = (image - 0.5) * (1 - hole)
        inputs = torch.cat([image - 0.5, blanked, translation - 0.5, hole], dim=1)  # (N, 10, H, W)
        features = self.head(F.pixel_unshuffle(inputs, 2))  # (N, width, H/2, W/2)
        skip = self.encoder(features)
        features = self.decoder(skip + self.up(self.body(self.down(skip))))
        out = F.pixel_shuffle(self.tail(features).float(), 2)  # (N, 4, H, W)
        opacity, detail = torch.sigmoid(out[:, :1]), out[:, 1:]
        return image + opacity * (translation - image) + detail
