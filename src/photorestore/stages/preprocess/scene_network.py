"""See what a picture shows: SceneTrunk, by which a twig can be told from a crack.

A detector of narrow things looks at some 150 px around each pixel, and learns from few prints. What it takes for damage
and is not (branches, spokes, pearls, straps) is told apart by what is pictured there. So a network that learned to name
the contents of photographs looks at one bounded view of the whole picture. Each detector has a small head of its own,
trained with it, that makes a map of what it needs of that (`stages.scratch.scene_head`).

It is EfficientNet-Lite0 (Tan and Le, ICML 2019, without squeeze and excitation), trained by others on ImageNet
(`training.convert_preprocess_scene`); its batch normalisations are folded into its convolutions, and it is not trained
further.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor, Port

SCENE = "scene"
"""The plane with what it sees; also the input of networks that are told, and their part that makes it."""
VIEW_PX = 512
"""Longest side of the view; smaller pictures are not enlarged."""
STEM = 32
BLOCKS = (
    # widening, channels, kernel, stride of the first, how many
    (1, 16, 3, 1, 1),
    (6, 24, 3, 2, 2),
    (6, 40, 5, 2, 2),
    (6, 80, 3, 2, 3),
    (6, 112, 5, 1, 3),
    (6, 192, 5, 2, 4),
    (6, 320, 3, 1, 1),
)
READ = {2: 8, 4: 16, 6: 32}
"""Groups of `BLOCKS` whose results are features, and their strides."""
STRIDE = max(READ.values())
WIDTHS = {stride: BLOCKS[group][1] for group, stride in READ.items()}
"""Channels of the features, by stride."""
FEATURES = sum(channels * (STRIDE // stride) ** 2 for stride, channels in WIDTHS.items())
"""Values for each square of `STRIDE` px."""


class SceneTrunk(nn.Module):
    """View in, features of what is pictured out."""

    descriptor = Descriptor(
        "SceneTrunk", (Port("view", "N 3 V U", 0, 1),), Port("features", f"N {FEATURES} v u")
    )

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, STEM, 3, stride=2)
        groups, channels_in = [], STEM
        for widening, channels, kernel, stride, count in BLOCKS:
            group = [InvertedResidual(channels_in, channels, kernel, stride, widening)]
            group += [InvertedResidual(channels, channels, kernel, 1, widening) for _ in range(count - 1)]
            groups.append(nn.Sequential(*group))
            channels_in = channels
        self.groups = nn.ModuleList(groups)

    def forward(self, view: Tensor) -> Tensor:
        """Look at a view.

        Args:
            view: (N, 3, V, U) in [0, 1], sides multiples of `STRIDE`; see `scene.view_of`.

        Returns:
            (N, FEATURES, V / STRIDE, U / STRIDE): those of all strides, the finer ones folded; see `unfolded`.
        """
        features, read = F.relu6(self.stem(2 * view - 1)), []
        for index, group in enumerate(self.groups):
            features = group(features)
            if index in READ:
                read.append(F.pixel_unshuffle(features, STRIDE // READ[index]))
        return torch.cat(read, 1)

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        features: Tensor = self(image)
        return features


def view_of(image: Tensor, longest_px: int = VIEW_PX) -> Tensor:
    """Average pictures (N, C, H, W) to views (N, C, V, U) of at most `longest_px`, sides multiples of `STRIDE`."""
    h, w = image.shape[-2:]
    shrink = min(1.0, longest_px / max(h, w))
    size = [max(1, round(shrink * side / STRIDE)) * STRIDE for side in (h, w)]
    return F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)


def unfolded(features: Tensor) -> dict[int, Tensor]:
    """Return by stride the features that a `SceneTrunk` gave, (N, WIDTHS[stride], V / stride, U / stride) each."""
    sizes = [channels * (STRIDE // stride) ** 2 for stride, channels in WIDTHS.items()]
    parts = zip(WIDTHS, features.split(sizes, 1), strict=True)
    return {stride: F.pixel_shuffle(part, STRIDE // stride) for stride, part in parts}


def spread(scene: Tensor, height: int, width: int, stride: int) -> Tensor:
    """Resize a map of what is pictured, so that it has a value for each square of `stride` px, begun ones included."""
    size = (-(-height // stride), -(-width // stride))
    return F.interpolate(scene, size, mode="bilinear", antialias=True, align_corners=False)


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow does: where the stride is 2, one more row and column at the end."""

    def __init__(self, channels_in: int, channels: int, kernel: int, *, stride: int, groups: int = 1) -> None:
        super().__init__(channels_in, channels, kernel, stride, groups=groups)

    def forward(self, features: Tensor) -> Tensor:
        before = (self.kernel_size[0] - self.stride[0]) // 2
        after = self.kernel_size[0] - self.stride[0] - before
        return super().forward(F.pad(features, (before, after, before, after)))


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; with a skip where the shape stays."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = widening * channels_in
        self.widen = nn.Conv2d(channels_in, wide, 1) if widening > 1 else None
        self.filter = SameConv(wide, wide, kernel, stride=stride, groups=wide)
        self.narrow = nn.Conv2d(wide, channels, 1)
        self.has_skip = stride == 1 and channels_in == channels

    def forward(self, features: Tensor) -> Tensor:
        wide = features if self.widen is None else F.relu6(self.widen(features))
        narrow: Tensor = self.narrow(F.relu6(self.filter(wide)))
        return features + narrow if self.has_skip else narrow
