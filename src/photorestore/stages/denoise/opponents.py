"""Take pictures apart into brightness and two differences of colour, whose noise is independent."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_PLANES = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.0, -0.5], [0.25, -0.5, 0.25]])
_BACK = torch.tensor([[1.0, 1.0, 2 / 3], [1.0, 0.0, -4 / 3], [1.0, -1.0, 2 / 3]])


def planes_of(image: Tensor) -> Tensor:
    """Return brightness and two differences of colour of pictures (N, 3, H, W); of grey ones these are 0."""
    return torch.einsum("dc,nchw->ndhw", _PLANES.to(image), image)


def picture_of(planes: Tensor) -> Tensor:
    """Return the pictures that `planes_of` took apart."""
    return torch.einsum("cd,ndhw->nchw", _BACK.to(planes), planes)


def noise_of(image: Tensor, sigma: Tensor) -> Tensor:
    """Return the noise of each plane (N, 3) for noise of `sigma` (N,) of each channel of pictures (N, 3, H, W).

    Grey pictures have one noise in all channels, which does not average out.
    """
    noise = sigma[:, None] * _PLANES.to(image).square().sum(1).sqrt()
    is_grey = (image == image[:, :1]).flatten(1).all(1)
    return torch.where(is_grey[:, None], sigma[:, None] * noise.new_tensor([1.0, 0.0, 0.0]), noise)


def by_planes(denoise: Callable[[Tensor, float], Tensor], image: Tensor, sigma: Tensor) -> Tensor:
    """Return pictures (N, 3, H, W), noise of `sigma` (N,) removed plane by plane; grey ones have but one.

    Args:
        denoise: takes a plane (H, W) and the level of its noise.
    """
    planes = planes_of(image.float())
    for picture, levels in zip(planes, noise_of(image, sigma).tolist(), strict=True):
        for plane, level in zip(picture, levels, strict=True):
            if level > 0:
                plane.copy_(denoise(plane.clone(), level))
    return picture_of(planes)
