"""Show a network a made picture: its output is known, so changed weights are found out.

The output is computed when weights are saved, stands in their metadata, and is compared wherever they are loaded:
in the precision and on the device that the network will compute in.
"""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from photorestore.errors import BrokenArtifact
from photorestore.networks.descriptor import Descriptor
from photorestore.networks.precision import FLOAT32, autocast

SIDE_PX = 32
LENGTH = 64
"""Values of an output."""
TOLERANCE = 0.1
"""Greatest `distance` of an output. In bfloat16 the networks that ship are off by up to .022,
with weights of 0 by .8 and more."""
FLOOR = 0.02
"""Below this the absolute difference counts, because a network that has learned little has small outputs."""


@runtime_checkable
class CanaryNetwork(Protocol):
    """A network that a stage runs, which knows how it is shown the picture."""

    @property
    def descriptor(self) -> Descriptor:
        """Return the network's contract."""
        ...

    def at_canary(self, image: Tensor) -> Tensor:
        """Compute what comes of the picture (1, 3, SIDE_PX, SIDE_PX), or of a part: any shape.

        A network that returns a picture gives what it changed; in the picture itself that would not stand out.
        """
        ...


def make_picture(side_px: int = SIDE_PX) -> Tensor:
    """Return (1, 3, side_px, side_px): soft waves under strong noise, the same on every machine."""
    count = 3 * side_px**2
    noise = torch.arange(count) * 2654435761 % 2**32 / 2**32  # Knuth's multiplicative hash
    at = torch.arange(side_px) / side_px
    waves = (6 * at).sin() * (4 * at[:, None]).cos()
    return (0.5 + 0.2 * waves + 0.5 * (noise.float().view(1, 3, side_px, side_px) - 0.5)).clamp(0, 1)


def output_of(network: nn.Module, precision: str = FLOAT32) -> list[float] | None:
    """Return what a network makes of the picture: `LENGTH` values; None for a class that no stage runs.

    The network must be in evaluation mode.

    Args:
        precision: one of `networks.precision`.
    """
    if not isinstance(network, CanaryNetwork):
        return None
    device = next(network.parameters()).device
    chosen = precision if network.descriptor.in_bfloat16 else FLOAT32
    with torch.inference_mode(), autocast(chosen, device):
        seen = network.at_canary(make_picture().to(device)).float().flatten().cpu()
    at = torch.linspace(0, len(seen) - 1, LENGTH).round().long()
    return [round(value, 6) for value in seen[at].tolist()]


def check(network: nn.Module, expected: list[float], name: str, precision: str = FLOAT32) -> None:
    """Compare a network's output with the one that its weights were saved with.

    Raises:
        BrokenArtifact: they differ.
    """
    output = output_of(network, precision) or []
    off = distance(output, expected)
    if not off <= TOLERANCE:
        raise BrokenArtifact(
            f"{name} does not do what it did when it was saved: its output for a known picture is off by {off:.0%}"
        )


def distance(output: list[float], expected: list[float]) -> float:
    """Return the root mean square of the difference as a share of that of the expected values."""
    if len(output) != len(expected):
        return math.inf
    return math.dist(output, expected) / (math.hypot(*expected) + FLOOR * math.sqrt(len(expected)))
