"""State what all methods share.

They have the contract of a network, so that they run in tiles, and compute in steps, between which they stop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from torch import Tensor

from photorestore.networks.descriptor import Descriptor, Port
from photorestore.stages.denoise.network import NOISY

Step = Callable[[], AbstractContextManager[None]]
"""Makes what is entered for each step of computing; it may raise to stop."""


def contract(name: str, reach_px: int) -> Descriptor:
    """Return the contract of a method: a noisy picture and the level of its noise in, the denoised picture out."""
    return Descriptor(
        name,
        (NOISY, Port("sigma", "N", 0, 1)),
        Port("denoised", "N 3 H W", 0, 1),
        reach_px=reach_px,
        in_bfloat16=False,
    )


def distinct(image: Tensor) -> Tensor:
    """Return pictures (N, 3, H, W) in which channels differ as they are, grey ones as one channel (N, 1, H, W)."""
    return image[:, :1] if bool((image == image[:, :1]).all()) else image
