"""Detectors of damage with what tells them what the whole picture shows, for pictures that are at hand as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from photorestore.networks.precision import BFLOAT16
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.weights import FAST
from photorestore.stages.preprocess.scene import TRUNK, features_of, is_told, told
from photorestore.stages.preprocess.scene_network import view_of


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector that is given whole pictures.

    Attributes:
        network: a `ScratchUNet`.
        trunk: a `SceneTrunk`.
    """

    network: Runner[Tensor]
    trunk: Runner[Tensor]

    def __call__(self, image: Tensor) -> Tensor:
        """Return scratch_logits (N, 1, H, W) of whole pictures (N, 3, H, W) in [0, 1]."""
        if not is_told(self.network):
            return self.network(image)
        h, w = image.shape[-2:]
        return self.network(image, *told(self.network, features_of(self.trunk, view_of(image)), h, w))


def load_detector(
    name: str, root: Path | None = None, precision: str = BFLOAT16, *, tier: str = FAST
) -> Detector:
    """Load a delivered detector of a tier; `root` is the folder `weights/`, by default the one beside the package."""
    network = load_runner(name, tier, root=root, precision=precision)
    return Detector(network, load_runner(TRUNK, root=root, precision=precision))
