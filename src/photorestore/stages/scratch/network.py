"""Find scratches, hairs, tears, dust and folds: ScratchUNet.

A U-Net like the detector of Wan et al. (CVPR 2020), with three differences. It works at native resolution in tiles,
since a fixed 256-px view misses thin scratches on large scans. It sees colour where there is any, because dust is
often grey on a coloured picture; a grey picture is three equal channels. And it is given what is narrow and brighter
or darker than its surroundings, by morphology: a defect is that before anything else, and a small network that need
not learn it can use its capacity to tell defects from the photograph's own detail.

Batch normalisation makes it learn several times faster; when used, its statistics are constants, so a tile is treated
like the whole picture.

A pixel sees some 150 px around it, by which a scratch is often told from a wire: by how it is drawn, and by what it
crosses. A crack can look just like a twig all the same, so the detectors are also told what the picture shows there,
see `scene_head.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import enlarge_bilinear, pad_to_multiple
from photorestore.networks.descriptor import IMAGE, Descriptor, Network, Part, Port
from photorestore.stages.preprocess.scene_network import FEATURES, SCENE, spread
from photorestore.stages.scratch.scene_head import CHANNELS, SceneHead

RADII_PX = (2, 5)
"""Defects of up to twice these widths stand out in the narrow maps."""
INPUTS = 3 + 4 * len(RADII_PX)
"""Channels per pixel: the picture, the narrow maps, the same against their surroundings."""
RARE_LOGIT = -4.0
"""Initial logits: damage is rare, and a detector that begins at one half must first unlearn that."""


class ScratchUNet(nn.Module):
    """Image in, logits of damage out.

    Args:
        widths: channels at stride 2, 4, 8, ...
        sees_scene: whether it is told what the picture shows.
    """

    def __init__(self, widths: tuple[int, ...], *, sees_scene: bool = False) -> None:
        super().__init__()
        stride = 2 ** len(widths)
        told = Port(SCENE, f"N {CHANNELS} H/{stride} W/{stride}", 0, 1)
        self.descriptor = Descriptor(
            "ScratchUNet",
            (IMAGE, told) if sees_scene else (IMAGE,),
            Port("scratch_logits", "N 1 H W"),
            stride=stride,
            reach_px=_reach_px(len(widths)),
        )
        self.encoders = nn.ModuleList(_stage(*pair) for pair in itertools.pairwise((4 * INPUTS, *widths)))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, 2) for fine, coarse in itertools.pairwise(widths)
        )
        self.decoders = nn.ModuleList(_stage(2 * width, width) for width in widths[:-1])
        self.tail = nn.Conv2d(widths[0], 4, 3, padding=1)
        self._initialise()
        self.scene = SceneHead() if sees_scene else None
        if sees_scene:
            self.told = nn.Conv2d(CHANNELS, widths[-2], 1, bias=False)
            nn.init.zeros_(self.told.weight)

    @property
    def parts(self) -> Mapping[str, Network[Any]]:
        """Return `scene`, which makes a map of what a whole picture shows, if there is one."""
        return {} if self.scene is None else {SCENE: Part(self.scene.descriptor, self.scene)}

    def forward(self, image: Tensor, scene_map: Tensor | None = None) -> Tensor:
        """Look for damage.

        Args:
            image: (N, 3, H, W), or luma (N, 1, H, W), in [0, 1].
            scene_map: what the picture shows there, from `preprocess.scene.told`; None for a network that is not told.

        Returns:
            scratch_logits (N, 1, H, W), float32.
        """
        h, w = image.shape[-2:]
        return self.decoded(self.encoded(image, scene_map))[..., :h, :w]

    def encoded(self, image: Tensor, scene_map: Tensor | None = None) -> list[Tensor]:
        """Return features (N, C, h, w) at stride 2, 4, 8 and so on; arguments are those of `forward`."""
        padded = pad_to_multiple(image.float().expand(-1, 3, -1, -1), self.descriptor.stride)
        features = squares(describe(padded))
        maps = []
        for encoder in self.encoders[:-1]:
            maps.append(encoder(features))
            features = F.max_pool2d(maps[-1], 2)
        if scene_map is not None:
            features = features + self.told(scene_map)
        return [*maps, self.encoders[-1](features)]

    def decoded(self, maps: Sequence[Tensor]) -> Tensor:
        """Return scratch_logits, float32, of what `encoded` gives for pictures or for parts of them."""
        *skips, features = maps
        for up, decoder in zip(reversed(self.ups), reversed(self.decoders), strict=True):
            features = decoder(torch.cat([up(features), skips.pop()], 1))
        return F.pixel_shuffle(self.tail(features).float(), 2)

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        scene_map = None
        if self.scene is not None:  # any numbers will do for features
            seen, (h, w) = self.scene(image.flatten(1)[:, :FEATURES, None, None]), image.shape[-2:]
            scene_map = spread(seen, h, w, self.descriptor.stride)
        scratch_logits: Tensor = self(image, scene_map)
        return scratch_logits

    def _initialise(self) -> None:
        """Keep the variance through all levels, so that the coarse ones learn from the first step on."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=module.in_channels**-0.5)
        nn.init.normal_(self.tail.weight, std=0.01)
        nn.init.constant_(self.tail.bias, RARE_LOGIT)  # type: ignore[arg-type]


def describe(image: Tensor) -> Tensor:
    """Return the picture beside its narrow maps, all scaled to a variance of about 1.

    Returns:
        (N, INPUTS, H, W).
    """
    narrow = narrow_maps(image.mean(1, keepdim=True))
    return torch.cat([4 * (image - 0.5), 6 * narrow, 0.3 * narrow / (_surroundings(narrow) + 0.02)], 1)


def squares(maps: Tensor) -> Tensor:
    """Return `F.pixel_unshuffle(maps, 2)` as convolutions like it: channels last, in the precision of their results.

    Returns:
        (N, 4 * C, H/2, W/2).
    """
    n, channels, h, w = maps.shape
    kind = maps.device.type
    is_cast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if is_cast else maps.dtype
    joined = maps.new_empty((n, h // 2, w // 2, channels, 2, 2), dtype=dtype)
    for row, column in itertools.product((0, 1), repeat=2):
        joined[..., row, column] = maps[..., row::2, column::2].permute(0, 2, 3, 1)
    return joined.flatten(3).permute(0, 3, 1, 2)


def narrow_maps(luma: Tensor) -> Tensor:
    """Return how much each pixel of (N, 1, H, W) is brighter, and darker, than the square of each radius allows.

    White and black top-hat transforms: luma minus its opening, its closing minus luma.

    Returns:
        (N, 2 * len(RADII_PX), H, W), [0, 1].
    """
    maps = []
    for radius in RADII_PX:
        opening = _highest(_lowest(luma, radius), radius)
        closing = _lowest(_highest(luma, radius), radius)
        maps += [luma - opening, closing - luma]
    return torch.cat(maps, 1)


def _highest(luma: Tensor, radius: int) -> Tensor:
    """Greatest value in the square of `radius` around each pixel, cut off at the borders."""
    return _highest_along(_highest_along(luma, radius, -2), radius, -1)


def _highest_along(luma: Tensor, radius: int, axis: int) -> Tensor:
    """Do so along an axis, by windows that double: a few whole-plane maxima, much faster than pooling one channel."""
    around = (radius, radius) if axis == -1 else (0, 0, radius, radius)
    width, window, highest = 2 * radius + 1, 1, F.pad(luma, around, value=-1.0)
    while window < width:
        step = min(window, width - window)
        length = highest.shape[axis] - step
        highest = torch.maximum(highest.narrow(axis, 0, length), highest.narrow(axis, step, length))
        window += step
    return highest


def _lowest(luma: Tensor, radius: int) -> Tensor:
    return 1 - _highest(1 - luma, radius)


def _surroundings(maps: Tensor) -> Tensor:
    """Mean over about 36x36 px; sides are multiples of 4."""
    coarse = F.avg_pool2d(F.avg_pool2d(maps, 4), 9, 1, 4, count_include_pad=False)
    return enlarge_bilinear(coarse, 4)


def _stage(channels_in: int, channels: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def _reach_px(levels: int) -> int:
    """How far, in pixels, an input can influence an output (radius, an upper bound)."""
    radius = (
        2 * max(RADII_PX) + 4 * 4 + 2 * 4
    )  # opening; mean of 9x9 cells of 4 px; cells and their interpolation
    for level in range(1, levels + 1):
        radius += (4 if level < levels else 2) * 2**level  # convolutions of encoder and decoder
    return radius + 2 + 2 * 2**levels  # tail; blocks of the poolings and enlargements
