"""Take small views of whole pictures for `colorize`, and what looks at them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import to_float
from photorestore.pixels.lab import lab_of
from photorestore.stages.colorize.sight import VIEW_PX, Seen, Sight, view_of
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.stages.preprocess.scene_network import SceneTrunk
from photorestore.workspace import Array


def sight_of(holder: Runner[Any]) -> Runner[Seen]:
    """Return what looks at grey views by the layers of the network `TRUNK`.

    Raises:
        TypeError: it is another network.
    """
    network: object = holder.network
    if not isinstance(network, SceneTrunk):
        raise TypeError(f"{TRUNK} is a {type(network).__name__}; expected SceneTrunk")
    return replace(holder, network=Sight(network.stem, network.groups))


def lab_view_of(image: Array) -> Tensor:
    """Return CIELab of a view (1, 3, V, U) of a plane (3, H, W); of a large one few pixels are read."""
    step = max(1, max(image.shape[1:]) // (4 * VIEW_PX))
    return lab_of(view_of(to_float(image[:, ::step, ::step])[None]))
