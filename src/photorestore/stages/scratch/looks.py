"""Look at a picture as it is and in another way, and take the mean of what is found.

What a detector takes for damage by mistake, it often leaves alone in the turned or mirrored picture, of which the
network that tells what is pictured thinks otherwise as well; and real damage that it misses in one view it may find in
the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob, to_integers
from photorestore.pixels.bands import bands
from photorestore.stages.preprocess.scene import is_told
from photorestore.stages.preprocess.scene_network import SCENE, spread
from photorestore.stages.scratch.scales import BAND_ROWS
from photorestore.workspace import Array

UPRIGHT, TURNED, MIRRORED = "upright", "turned", "mirrored"
"""Ways to see a picture: as it is, turned to the left by a quarter, and left for right."""


@dataclass(frozen=True, slots=True)
class Look:
    """One network's look at a picture.

    Attributes:
        network: which one looks.
        view: the plane (3, h, w) that it sees.
        prob: the plane (1, h, w), uint16, of what it finds there.
        features: of what the view shows, see `scene.features_of`; None where no network is told.
        factor: by how much the view is shrunk.
        way: in which the view is seen: `UPRIGHT`, `TURNED` or `MIRRORED`.
    """

    network: str
    view: Array
    prob: Array
    features: Tensor | None
    factor: int
    way: str

    @classmethod
    def at(
        cls,
        view: Array,
        network: str,
        features: Tensor | None = None,
        factor: int = 1,
        way: str = UPRIGHT,
    ) -> Look:
        """Look at a plane (3, h, w)."""
        return cls(network, view, np.empty((1, *view.shape[1:]), np.uint16), features, factor, way)

    def job(self, network: Runner[Tensor]) -> TileJob[None]:
        """Return what the network has to do."""
        planes = {"image": self.view}
        if self.features is not None and is_told(network):
            _, h, w = self.view.shape
            scene = spread(network.part(SCENE)(self.features.float()), h, w, network.descriptor.stride)
            planes[SCENE] = to_integers(scene[0], np.dtype(np.uint16))
        return TileJob(planes, self.prob, None)


def seen(plane: Array, way: str) -> Array:
    """Return a plane (C, H, W) as it is seen in a way, (C, W, H) if it is turned; the same memory."""
    if way == MIRRORED:
        return plane[..., ::-1]
    return np.rot90(plane, 1, (1, 2)) if way == TURNED else plane


def righted(view: Array, way: str) -> Array:
    """Return as the picture is what was seen in a way: undoes `seen`."""
    return np.rot90(view, -1, (1, 2)) if way == TURNED else seen(view, way)


def average(prob: Array, other: Array, way: str) -> None:
    """Replace a probability (1, H, W), uint16, by the mean with what was found as the picture is seen in a way."""
    upright = righted(other, way)
    for rows in bands(prob.shape[1], BAND_ROWS):
        prob[0, rows] = (prob[0, rows].astype(np.uint32) + upright[0, rows]) // 2
