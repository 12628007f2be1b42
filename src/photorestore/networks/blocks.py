"""Build networks from shared blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip; the last starts at zero, so a new block is the identity."""

    def __init__(self, channels: int, *, bias: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(F.relu(self.first(features), inplace=True))


def residual_stack(channels: int, depth: int, *, bias: bool = False) -> nn.Sequential:
    """Return `depth` residual blocks of one width."""
    return nn.Sequential(*(ResidualBlock(channels, bias=bias) for _ in range(depth)))


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until height and width are multiples of `multiple`; without need copy nothing."""
    h, w = image.shape[-2:]
    missing = (0, -w % multiple, 0, -h % multiple)
    return F.pad(image, missing, mode="replicate") if any(missing) else image


def enlarge_bilinear(image: Tensor, scale: int) -> Tensor:
    """Enlarge (N, C, h, w) to (N, C, scale * h, scale * w) bilinearly.

    With `antialias`, which changes nothing when enlarging, the result is the same for every number of threads; without,
    torch 2.13 gives some values another last bit, which bfloat16 can make a visible one.
    """
    return F.interpolate(image, scale_factor=scale, mode="bilinear", antialias=True)


def convolve_exactly(convolution: nn.Conv2d, image: Tensor) -> Tensor:
    """Convolve a picture in float32 also where the network computes in bfloat16, whose steps near 1 are 1/256.

    The picture, so rounded, would have noise of its own. What comes out may be rounded: its steps are fine where its
    values are small.
    """
    kind = image.device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        plain: Tensor = convolution(image)
        return plain
    with torch.autocast(kind, enabled=False):
        exact: Tensor = convolution(image.float())
    return exact.to(torch.get_autocast_dtype(kind))


def constant_map(value: Tensor, like: Tensor) -> Tensor:
    """Spread one value per sample, (N,), over the pixels of `like`: (N, 1, H, W)."""
    n, _, h, w = like.shape
    return value.to(like.dtype).view(n, 1, 1, 1).expand(n, 1, h, w)


def count_parameters(network: nn.Module) -> int:
    """Return the number of learned values."""
    return sum(parameter.numel() for parameter in network.parameters())
