"""Remove noise by BM3D, where the package `bm3d` is installed.

Dabov, Foi, Katkovnik and Egiazarian, *Image denoising by sparse 3-D transform-domain collaborative filtering*, TIP
2007; colour is treated as three planes. The package is for research that is not commercial only.
"""

from __future__ import annotations

import importlib.util
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from photorestore.errors import UnsupportedOption
from photorestore.networks.descriptor import Descriptor
from photorestore.pixels.optics import mirrored
from photorestore.stages.denoise.methods.contract import Step, contract
from photorestore.stages.denoise.opponents import by_planes

PAD_PX = 16
"""Pictures are mirrored by so much, because blocks of 8 px must fit in."""


@dataclass(frozen=True, slots=True)
class BlockMatching:
    """Return denoised pictures.

    Attributes:
        step: see `Step`.
    """

    step: Step = nullcontext

    @classmethod
    def installed(cls, step: Step) -> BlockMatching:
        """Return the method.

        Raises:
            UnsupportedOption: the package is not installed.
        """
        if importlib.util.find_spec("bm3d") is None:
            raise UnsupportedOption("denoise_method is 'bm3d', but this service is without the package bm3d")
        return cls(step)

    @property
    def descriptor(self) -> Descriptor:
        """Return the contract."""
        return contract("BlockMatching", reach_px=40)

    def __call__(self, image: Tensor, sigma: Tensor) -> Tensor:
        """Denoise pictures (N, 3, H, W) in [0, 1] with noise of `sigma` (N,)."""
        import bm3d  # noqa: PLC0415 - not everybody has it

        def denoised(plane: Tensor, level: float) -> Tensor:
            with self.step():
                found = bm3d.bm3d(mirrored(plane[None, None], PAD_PX)[0, 0].double().cpu().numpy(), level)
            h, w = plane.shape
            return torch.from_numpy(found.reshape(h + 2 * PAD_PX, -1))[
                PAD_PX : PAD_PX + h, PAD_PX : PAD_PX + w
            ]

        return by_planes(denoised, image, sigma)
