"""Give an upright face its detail back: FaceUNet.

A residual U-Net, from 128x128 down to 8x8 places, whose decoder is told at every scale what the degraded face looks
like: its blocks scale and shift their normalised features by maps made from that face, as the generator of Park et
al. (*Semantic Image Synthesis with Spatially-Adaptive Normalization*, CVPR 2019) does from a label map and the face
network of *Bringing Old Photos Back to Life* from the face. It differs from that one in that an encoder feeds it, that
it adds to the face instead of drawing it anew, and that its norm pools over channels only.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import residual_stack
from photorestore.networks.descriptor import IMAGE, Descriptor, Port
from photorestore.networks.vae import LayerNorm2d


class ModulatedBlock(nn.Module):
    """A residual block, modulated by the degraded face; its last layer starts at zero, so a new block is the identity.

    Args:
        channels: of the features.
        hidden: of the layer between the face and its maps.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = LayerNorm2d(channels, elementwise_affine=False)
        self.look = nn.Conv2d(3, hidden, 3, padding=1)
        self.modulate = nn.Conv2d(hidden, 2 * channels, 3, padding=1)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, face: Tensor) -> Tensor:
        """Return features (N, C, H, W) for features (N, C, H, W) and the face (N, 3, H, W)."""
        scale, shift = self.modulate(F.relu(self.look(face))).chunk(2, dim=1)
        modulated = self.norm(features) * (1 + scale) + shift
        return features + self.second(F.relu(self.first(modulated)))


class FaceUNet(nn.Module):
    """Degraded face in, refined face out; the result is not clamped. Untrained it is the identity.

    Args:
        widths: channels at stride 2, 4, 8, ...
        depths: blocks at each of these strides (each side of the U).
        hidden: channels between the face and the maps that modulate by it.
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...], hidden: int = 32) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(widths))
        self.descriptor = Descriptor(
            "FaceUNet",
            (IMAGE, Port("strength", "N", 0, 1, is_optional=True)),
            Port("refined", "N 3 H W", 0, 1),
            stride=2 ** len(widths),
            reach_px=_reach_px(depths),
        )
        self.head = nn.Conv2d(4 * 3, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(
            residual_stack(width, depth, bias=True)
            for width, depth in zip(widths[:-1], depths[:-1], strict=True)
        )
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, 2, 2) for fine, coarse in pairs)
        self.decoders = nn.ModuleList(
            nn.ModuleList(ModulatedBlock(width, hidden) for _ in range(depth))
            for width, depth in zip(widths, depths, strict=True)
        )
        self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, 2) for fine, coarse in pairs)
        self.tail = nn.Conv2d(widths[0], 4 * 3, 3, padding=1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor, strength: Tensor | None = None) -> Tensor:
        """Refine.

        Args:
            image: (N, 3, H, W) in [0, 1], upright faces as `geometry.cut` gives them: 256x256. Other multiples
                of the stride work too.
            strength: (N,) how much of the change is made; None makes all of it.

        Returns:
            (N, 3, H, W), float32, not clamped.
        """
        residual = F.pixel_shuffle(self._residual(image - 0.5).float(), 2)
        if strength is not None:
            residual = residual * strength.view(-1, 1, 1, 1)
        return image.float() + residual

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        at_work = image.repeat(1, 1, 2, 2)  # 64 px: a multiple of any stride in use
        seen: Tensor = self(at_work)
        return seen - at_work

    def _residual(self, face: Tensor) -> Tensor:
        features = self.head(F.pixel_unshuffle(face, 2))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(features))
            features = down(skips[-1])
        features = self._decode(-1, features, face)
        for level in reversed(range(len(self.ups))):
            features = self._decode(level, self.ups[level](features) + skips.pop(), face)
        return self.tail(features)

    def _decode(self, level: int, features: Tensor, face: Tensor) -> Tensor:
        blocks = self.decoders[level]
        assert isinstance(blocks, nn.ModuleList)
        small = F.avg_pool2d(face, face.shape[-1] // features.shape[-1])
        for block in blocks:
            features = block(features, small)
        return features


def _reach_px(depths: tuple[int, ...]) -> int:
    """How far, in pixels, an input can influence an output (radius, an upper bound)."""
    radius = 2 * (1 + 1)  # head and tail at stride 2
    for level, depth in enumerate(depths, start=1):
        radius += 2 * depth * (2 if level < len(depths) else 1) * 2**level  # encoder and decoder
    # Two convolutions make the face's maps at the coarsest level; the rest is the alignment of strided blocks.
    return radius + (2 + 1 + 1) * 2 ** len(depths)
