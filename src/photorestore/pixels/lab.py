"""Convert between sRGB and CIELab (D65), where lightness and colour are apart."""

from __future__ import annotations

import torch
from torch import Tensor

_XYZ_OF_RGB = (
    # of linear sRGB (IEC 61966-2-1), in units of its white
    (0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883),
)
_DELTA = 6 / 29


def lab_of(image: Tensor) -> Tensor:
    """Return CIELab of sRGB: (N, 3, H, W), L in [0, 100], a and b in about [-110, 100]."""
    xyz = torch.einsum("ij,njhw->nihw", image.new_tensor(_XYZ_OF_RGB), linear_of(image))
    x, y, z = _compressed(xyz).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def rgb_of(lab: Tensor) -> Tensor:
    """Return sRGB of CIELab: (N, 3, H, W), outside [0, 1] where sRGB has no such colour."""
    return encoded(linear_rgb_of(lab))


def linear_rgb_of(lab: Tensor) -> Tensor:
    """Return the light of CIELab's colours: linear sRGB, (N, 3, H, W), outside [0, 1] where sRGB lacks the colour."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    xyz = _expanded(torch.stack([y + a / 500, y, y - b / 200], 1))
    return torch.einsum("ij,njhw->nihw", torch.tensor(_XYZ_OF_RGB).inverse().to(lab), xyz)


def luminance_of(lightness: Tensor) -> Tensor:
    """Return the light, in [0, 1], of a lightness in [0, 100]."""
    return _expanded((lightness + 16) / 116)


def grey_of(lightness: Tensor) -> Tensor:
    """Return the sRGB value, in [0, 1], of greys of a lightness in [0, 100]."""
    return encoded(luminance_of(lightness)).clamp(0, 1)


def linear_of(image: Tensor) -> Tensor:
    """Return the light of sRGB values."""
    return torch.where(image <= 0.04045, image / 12.92, ((image.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def encoded(light: Tensor) -> Tensor:
    """Return the sRGB values of light."""
    bent = 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, bent)


def _compressed(xyz: Tensor) -> Tensor:
    root = xyz.clamp_min(_DELTA**3) ** (1 / 3)
    return torch.where(xyz > _DELTA**3, root, xyz / (3 * _DELTA**2) + 4 / 29)


def _expanded(values: Tensor) -> Tensor:
    return torch.where(values > _DELTA, values**3, 3 * _DELTA**2 * (values - 4 / 29))
