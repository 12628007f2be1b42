"""See what a picture shows: SceneEncoder, by which a twig can be told from a crack.

A detector of narrow things looks at some 150 px around each pixel, and learns from few prints. What it takes for damage
and is not (branches, spokes, pearls, straps) is told apart by what is pictured there. So a network that learned to name
the contents of photographs looks at one bounded view of the whole picture, and a small head turns what it saw into a
map that the detector reads.

The trunk is EfficientNet-Lite0 (Tan and Le, ICML 2019, without squeeze and excitation), trained by others on ImageNet
(`training.convert_scene`); its batch normalisations are folded into its convolutions, and it is not trained further.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import enlarge_bilinear

VIEW_PX = 512
"""Longest side of the view; smaller pictures are not enlarged."""
CHANNELS = 64
"""Of the map of what is pictured."""
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
"""Groups of `BLOCKS` whose results are read, and their strides."""
STRIDE = max(READ.values())


class SceneEncoder(nn.Module):
    """View in, map of what is pictured out, one value for each 8 x 8 px of the view."""

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
        self.laterals = nn.ModuleList(nn.Conv2d(BLOCKS[group][1], CHANNELS, 1) for group in READ)
        self.tail = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        for _, parameter in self.trunk():
            parameter.requires_grad_(False)

    def trunk(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters of EfficientNet-Lite0, by name."""
        for name, parameter in self.named_parameters():
            if name.startswith(("stem.", "groups.")):
                yield name, parameter

    def forward(self, view: Tensor) -> Tensor:
        """Look at a view.

        Args:
            view: (N, 3, V, U) in [0, 1], sides multiples of `STRIDE`; see `view_of`.

        Returns:
            (N, CHANNELS, V/8, U/8) in [0, 1].
        """
        features, read = F.relu6(self.stem(2 * view - 1)), []
        for index, group in enumerate(self.groups):
            features = group(features)
            if index in READ:
                read.append(features)
        maps = [
            enlarge_bilinear(lateral(features).float(), stride // 8)
            for lateral, features, stride in zip(self.laterals, read, READ.values(), strict=True)
        ]
        return self.tail(F.relu(sum(maps[1:], maps[0]))).float().sigmoid()


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


def view_of(image: Tensor) -> Tensor:
    """Average a picture (N, 3, H, W) to a view (N, 3, V, U) of at most `VIEW_PX`, sides multiples of `STRIDE`."""
    h, w = image.shape[-2:]
    shrink = min(1.0, VIEW_PX / max(h, w))
    size = [max(1, round(shrink * side / STRIDE)) * STRIDE for side in (h, w)]
    return F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)


def spread(scene: Tensor, height: int, width: int, stride: int) -> Tensor:
    """Resize a map of what is pictured, so that it has a value for each square of `stride` px, begun ones included."""
    size = (-(-height // stride), -(-width // stride))
    return F.interpolate(scene, size, mode="bilinear", antialias=True, align_corners=False)
