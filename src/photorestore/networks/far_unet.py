"""Change a picture by what lies near and far: FarUNet, of which the networks of `deblur` and `weather` are.

A residual U-Net on 2x2 pixel blocks, like the denoiser. What a blur or a streak is shows only over some distance, so
the lowest level, an eighth of the size, looks far by wide kernels for each channel (Liu et al., *A ConvNet for the
2020s*, CVPR 2022), which cost few weights.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import pad_to_multiple, residual_stack
from photorestore.networks.descriptor import IMAGE, Descriptor, Port

STRIDE = 8
FAR_KERNEL = 7


class FarBlock(nn.Module):
    """A 7x7 convolution of each channel, then two 1x1 convolutions, around a skip; a new block is the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, FAR_KERNEL, padding=FAR_KERNEL // 2, groups=channels)
        self.first = nn.Conv2d(channels, 2 * channels, 1)
        self.second = nn.Conv2d(2 * channels, channels, 1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(F.relu(self.first(self.spread(features)), inplace=True))


class FarUNet(nn.Module):
    """Picture in, changed picture out; the result is not clamped, and a new network is the identity.

    Args:
        widths: channels at stride 2, 4 and 8.
        depths: residual blocks at stride 2 and 4 (each side of the U), and far-looking blocks at stride 8.
    """

    gives: ClassVar[str]
    """What the result is called."""

    def __init__(self, widths: tuple[int, int, int], depths: tuple[int, int, int]) -> None:
        super().__init__()
        self.descriptor = Descriptor(
            type(self).__name__,
            (IMAGE,),
            Port(self.gives, "N 3 H W", 0, 1),
            stride=STRIDE,
            reach_px=_reach_px(depths),
        )
        fine, middle, far = widths
        self.head = nn.Conv2d(4 * 3, fine, 3, padding=1)
        self.fine_in, self.fine_out = (residual_stack(fine, depths[0], bias=True) for _ in range(2))
        self.middle_in, self.middle_out = (residual_stack(middle, depths[1], bias=True) for _ in range(2))
        self.far = nn.Sequential(*(FarBlock(far) for _ in range(depths[2])))
        self.to_middle = nn.Conv2d(fine, middle, 2, 2)
        self.to_far = nn.Conv2d(middle, far, 2, 2)
        self.from_far = nn.ConvTranspose2d(far, middle, 2, 2)
        self.from_middle = nn.ConvTranspose2d(middle, fine, 2, 2)
        self.tail = nn.Conv2d(fine, 4 * 3, 3, padding=1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        """Change pictures.

        Args:
            image: (N, 3, H, W) in [0, 1].

        Returns:
            (N, 3, H, W), float32, not clamped.
        """
        h, w = image.shape[-2:]
        padded = pad_to_multiple(image, STRIDE)
        fine = self.fine_in(self.head(F.pixel_unshuffle(padded, 2)))  # (N, C, H/2, W/2)
        middle = self.middle_in(self.to_middle(fine))  # (N, C, H/4, W/4)
        far = self.far(self.to_far(middle))  # (N, C, H/8, W/8)
        middle = self.middle_out(self.from_far(far) + middle)
        fine = self.fine_out(self.from_middle(middle) + fine)
        change = F.pixel_shuffle(self.tail(fine).float(), 2)
        return (padded.float() + change)[..., :h, :w]

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        seen: Tensor = self(image)
        return seen - image


def _reach_px(depths: tuple[int, int, int]) -> int:
    """How far, in pixels, an input can influence an output (radius, an upper bound)."""
    fine, middle, far = depths
    radius = 2 * (1 + 1)  # head and tail at stride 2
    radius += 2 * (4 * fine) + 4 * (4 * middle) + 8 * (FAR_KERNEL // 2 * far)
    return radius + STRIDE  # alignment of strided blocks
