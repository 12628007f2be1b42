"""Take rain and snow out of a picture: WeatherUNet."""

from __future__ import annotations

from typing import ClassVar

from photorestore.networks.far_unet import FarUNet


class WeatherUNet(FarUNet):
    """Picture in which it rains or snows in, the same in dry weather out, others unchanged."""

    gives: ClassVar[str] = "dry"
