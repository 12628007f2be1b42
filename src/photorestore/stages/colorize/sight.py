"""Let the network that knows photographs look at grey views: its features at four scales."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor, Port
from photorestore.stages.preprocess import scene_network
from photorestore.stages.preprocess.scene_network import BLOCKS

VIEW_PX = 256
"""Longest side of the view."""
GROUPS = {1: 4, 2: 8, 4: 16, 6: 32}
"""Groups of `BLOCKS` whose results are read, and their strides."""
FEATURES = {stride: BLOCKS[group][1] for group, stride in GROUPS.items()}
"""Channels by stride."""
SPREAD = {4: 7.5, 8: 6.5, 16: 5.5, 32: 2.5}
"""Standard deviation of what the trunk gives, by stride; results are divided by it."""

Seen = list[Tensor]
"""Features (N, C, V/s, U/s) for each of `FEATURES`."""


class Sight:
    """What a stage sees through the trunk, under a contract of its own.

    Args:
        stem, groups: those of the trunk.
    """

    descriptor = Descriptor("Sight", (Port("view", "N 1 V U", 0, 1),), Port("seen", kind=list))

    def __init__(self, stem: nn.Module, groups: Iterable[nn.Module]) -> None:
        self.stem, self.groups = stem, list(groups)

    def __call__(self, view: Tensor) -> Seen:
        """Look at grey views (N, 1, V, U) in [0, 1], sides multiples of `STRIDE`."""
        features, read = F.relu6(self.stem((2 * view - 1).expand(-1, 3, -1, -1))), []
        for index, group in enumerate(self.groups):
            features = group(features)
            if index in GROUPS:
                read.append(features.float() / SPREAD[GROUPS[index]])
        return read


def view_of(plane: Tensor) -> Tensor:
    """Average (N, C, H, W) to a view of at most `VIEW_PX`, sides multiples of 32."""
    return scene_network.view_of(plane, VIEW_PX)
