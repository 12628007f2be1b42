"""Look at what a picture shows, once, and tell it to the networks that are to know."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import to_float
from photorestore.stages.preprocess.scene_network import SCENE, VIEW_PX, spread, view_of
from photorestore.workspace import Array, Workspace

TRUNK = "preprocess_scene"
"""The network that looks."""


def plane_view(image: Array, longest_px: int = VIEW_PX) -> Tensor:
    """Return the view (1, 3, V, U) of a plane (3, H, W); of a large one few pixels are read."""
    step = max(1, max(image.shape[1:]) // (2 * longest_px))
    return view_of(to_float(image[:, ::step, ::step])[None], longest_px)


def features_of(network: Runner[Tensor], view: Tensor) -> Tensor:
    """Return the features of pictures.

    Args:
        network: a `SceneTrunk`.
        view: of the whole pictures, (N, 3, V, U) in [0, 1], from `view_of`.

    Returns:
        (N, FEATURES, v, u) of float16, as they are handed on.
    """
    return network(view).half()


def is_told(network: Runner[Tensor]) -> bool:
    """Return whether a network is told what the picture shows."""
    return any(port.name == SCENE for port in network.descriptor.inputs)


def told(network: Runner[Tensor], features: Tensor, height: int, width: int) -> tuple[Tensor, ...]:
    """Return the last input of a network for pictures of a size: a map for one that is told, nothing for others.

    Args:
        network: its part `scene` makes a map of features.
        features: of the whole pictures, from `features_of`.
        height, width: of the pictures as the network is given them.
    """
    if not is_told(network):
        return ()
    return (spread(network.part(SCENE)(features.float()), height, width, network.descriptor.stride),)


def hand_on(workspace: Workspace, features: Tensor) -> None:
    """Write the features of a request's picture, (1, FEATURES, v, u) of float16, as a plane."""
    workspace.write_plane(SCENE, features[0].cpu().numpy().view(np.uint16))


def see(workspace: Workspace, network: Runner[Tensor]) -> Tensor:
    """Return the features of a request's picture, (1, FEATURES, v, u): those that were handed on, or else new ones."""
    if SCENE not in workspace.envelope.planes:
        return features_of(network, plane_view(workspace.plane("image")))
    return torch.from_numpy(workspace.plane(SCENE).view(np.float16).copy())[None]
