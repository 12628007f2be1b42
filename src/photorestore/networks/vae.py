"""Encode a picture as 64 numbers for every 4x4 pixels, and decode it: the VAE.

After the two autoencoders of *Bringing Old Photos Back to Life* (Wan et al., CVPR 2020). What differs: the
norm pools over channels only, never over the picture, so that tiles equal the whole; and the first layer
works on 2x2 pixel blocks, because wide convolutions at half size cost a CPU less than narrow ones at full.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4
"""Pixels along a side of one place of the latent."""


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each place of (N, C, H, W)."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NormedBlock(nn.Module):
    """Norm and two 3x3 convolutions around a skip; the last starts at zero, so a new block is the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = LayerNorm2d(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        skip: Tensor = features
        return skip + self.second(F.relu(self.first(self.norm(features)), inplace=True))


def normed_stack(channels: int, depth: int) -> nn.Sequential:
    """Return `depth` blocks of one width."""
    return nn.Sequential(*(NormedBlock(channels) for _ in range(depth)))


class VAE(nn.Module):
    """Encoder and decoder around a latent of unit variance.

    Only the mean is predicted, so the KL divergence to the normal distribution is the mean square of `mu`
    up to constants, as in the paper.

    Args:
        latent: channels of the latent, at stride 4.
        width: channels at stride 2 and 4.
        depth: residual blocks at stride 4, each side.
    """

    def __init__(self, latent: int = 64, width: int = 64, depth: int = 1) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),  # (N, 12, H/2, W/2)
            nn.Conv2d(4 * 3, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 2, 2),  # (N, width, H/4, W/4)
            normed_stack(width, depth),
            nn.Conv2d(width, latent, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latent, width, 1),
            normed_stack(width, depth),
            nn.ConvTranspose2d(width, width, 2, 2),  # (N, width, H/2, W/2)
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 4 * 3, 3, padding=1),
            nn.PixelShuffle(2),
        )
        # Two 3x3 convolutions at stride 2, the blocks' at stride 4, and the alignment of strided blocks.
        self.reach_px = 2 * 2 + 2 * depth * 2 * STRIDE + STRIDE - 1

    def encode(self, image: Tensor) -> Tensor:
        """Return the posterior mean `mu`, (N, latent, H/4, W/4). Height and width must be multiples of 4."""
        mu: Tensor = self.encoder(image - 0.5)
        return mu

    def decode(self, z: Tensor) -> Tensor:
        """Return the image (N, 3, H, W), float32, not clamped."""
        image: Tensor = self.decoder(z)
        return image.float() + 0.5

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return, for training, the reconstruction from a drawn latent, and `mu`."""
        mu = self.encode(image)
        return self.decode(mu + torch.randn_like(mu)), mu
