"""Undo a blur that nobody knows: DeblurUNet."""

from __future__ import annotations

from typing import ClassVar

from photorestore.networks.far_unet import FarUNet


class DeblurUNet(FarUNet):
    """Blurred image in, sharp image out, sharp ones unchanged."""

    gives: ClassVar[str] = "deblurred"
