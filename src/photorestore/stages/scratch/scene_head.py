"""Make of what a picture shows what a detector needs of it: SceneHead."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.blocks import enlarge_bilinear
from photorestore.networks.descriptor import Descriptor, Port
from photorestore.stages.preprocess.scene_network import FEATURES, WIDTHS, unfolded

CHANNELS = 64
"""Of the map of what is pictured."""


class SceneHead(nn.Module):
    """Features of `SceneTrunk` in, map of what is pictured out, one value for each 8 x 8 px of the view."""

    descriptor = Descriptor(
        "SceneHead", (Port("features", f"N {FEATURES} v u"),), Port("scene", f"N {CHANNELS} h w", 0, 1)
    )

    def __init__(self) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(channels, CHANNELS, 1) for channels in WIDTHS.values())
        self.tail = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Make a map of features.

        Args:
            features: (N, FEATURES, V/32, U/32), from `SceneTrunk`.

        Returns:
            (N, CHANNELS, V/8, U/8) in [0, 1].
        """
        finest = min(WIDTHS)
        maps = [
            enlarge_bilinear(lateral(part).float(), stride // finest)
            for lateral, (stride, part) in zip(self.laterals, unfolded(features).items(), strict=True)
        ]
        return self.tail(F.relu(sum(maps[1:], maps[0]))).float().sigmoid()
