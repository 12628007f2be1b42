"""Remove noise by a cascade of shrinkage fields: ShrinkageCascade.

After Schmidt and Roth, *Shrinkage fields for effective image restoration*, CVPR 2014. Each stage shrinks the responses
of some filters, and solves for the picture that lies near the noisy one and has these responses, by one division of
spectra. It differs in two ways: all is computed in units of the noise, so that one cascade serves all levels; and
what is learned is by how much a response changes, so that one beyond the radial basis functions stays as it is.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from photorestore.networks.descriptor import Descriptor, Port
from photorestore.pixels.optics import mirrored
from photorestore.pixels.threads import one_thread
from photorestore.stages.denoise.lookup import Lookup
from photorestore.stages.denoise.network import NOISY
from photorestore.stages.denoise.opponents import noise_of, picture_of, planes_of
from photorestore.stages.denoise.windows import (
    RADIUS_PX,
    SIDE_PX,
    power_of,
    repeated,
    sum_of,
    windows_of,
    wrapped,
)

USUAL_255 = 25.0
"""Level at which a second set of weights does not count."""
LEAST_SIGMA = 0.5 / 255
"""Least noise that is taken for there."""
PAD_PX = 8
BAND_PX = 8192
"""Pixels of a band, which should fit where caches are."""
REACH_PX = 32
"""A spectrum's reach has no end, but what is further off hardly counts."""
CONDITIONS = 3
"""Sets of weights that are added: always, by the logarithm of the level, and in planes of colour."""


class ShrinkageField(nn.Module):
    """One stage: shrink the responses of filters, and solve for the picture.

    Args:
        filters: how many.
        functions: radial basis functions of each filter.
    """

    def __init__(self, filters: int, functions: int) -> None:
        super().__init__()
        self.lookup = Lookup(functions)
        self.filters = nn.Parameter(torch.eye(filters, len(_cosines())))
        self.weights = nn.Parameter(torch.zeros(CONDITIONS, filters, functions))
        self.data = nn.Parameter(torch.zeros(CONDITIONS))
        with torch.no_grad():
            self.weights[0] = self.lookup.of_soft_threshold()

    def forward(
        self, seen: Tensor, spectrum: Tensor, image: Tensor, conditions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the next spectrum and picture.

        Args:
            seen: spectra of the noisy planes (N, H, W // 2 + 1).
            spectrum: those of the planes so far.
            image: the planes so far (N, H, W), in units of the noise, which repeat beyond their borders.
            conditions: (N, CONDITIONS).
        """
        kernels = self.filters @ _cosines().to(image)  # (filters, 25)
        tables = self.lookup.tables(torch.tensordot(conditions, self.weights, 1))  # (N, filters, entries)
        changed = torch.fft.rfft2(self._changed(image, kernels, tables))
        power = power_of(kernels, (image.shape[1], image.shape[2]))
        data = (conditions @ self.data).exp().view(-1, 1, 1)
        solved = (data * seen + power * spectrum + changed) / (data + power)
        return solved, torch.fft.irfft2(solved, image.shape[-2:])

    def _changed(self, image: Tensor, kernels: Tensor, tables: Tensor) -> Tensor:
        """Return by how much the shrunk responses, filtered backwards, differ from the responses themselves."""
        around = repeated(image)
        if torch.is_grad_enabled():
            return wrapped(self._changed_around(around, kernels, tables))
        rows = max(8, BAND_PX // image.shape[2])
        total = torch.zeros_like(around)
        for n, top in itertools.product(range(len(image)), range(0, image.shape[1], rows)):
            band = (slice(n, n + 1), slice(top, top + rows + 2 * RADIUS_PX))
            total[band] += self._changed_around(around[band], kernels, tables[n : n + 1])
        return wrapped(total)

    def _changed_around(self, around: Tensor, kernels: Tensor, tables: Tensor) -> Tensor:
        """Do so for planes with what lies around them, (N, H + 4, W + 4)."""
        windows = windows_of(around)
        responses = (kernels @ windows.flatten(1)).view(-1, *windows.shape[1:])
        changes = self.lookup(responses, tables)
        return sum_of((kernels.T @ changes.flatten(1)).view(windows.shape))


class ShrinkageCascade(nn.Module):
    """Noisy picture and the level of its noise in, denoised picture out; the result is not clamped.

    Args:
        stages: how many `ShrinkageField`s follow one another.
        filters, functions: of each.
    """

    def __init__(self, stages: int, filters: int, functions: int) -> None:
        super().__init__()
        self.descriptor = Descriptor(
            "ShrinkageCascade",
            (NOISY, Port("sigma", "N", 0, 1)),
            Port("denoised", "N 3 H W", 0, 1),
            stride=2,
            reach_px=REACH_PX,
            in_bfloat16=False,
        )
        self.stages = nn.ModuleList(ShrinkageField(filters, functions) for _ in range(stages))

    def forward(self, image: Tensor, sigma: Tensor) -> Tensor:
        """Denoise.

        Args:
            image: (N, 3, H, W) in [0, 1], H and W even; noise may take it outside.
            sigma: (N,), standard deviation of the noise in [0, 1] units.

        Returns:
            (N, 3, H, W), float32, not clamped.
        """
        image, sigma = image.float(), sigma.float().clamp_min(LEAST_SIGMA)
        planes, noise = planes_of(image), noise_of(image, sigma)
        needed = noise > 0  # the others are 0
        is_colour = torch.tensor([False, True, True], device=image.device).expand_as(needed)
        planes[needed] = self.planes(planes[needed][:, None], noise[needed], is_colour[needed])[:, 0]
        return picture_of(planes)

    def planes(
        self, planes: Tensor, sigma: Tensor, is_colour: Tensor, *, depth: int | None = None, frozen: int = 0
    ) -> Tensor:
        """Denoise planes of brightness or of colour.

        Args:
            planes: (N, 1, H, W), H and W even.
            sigma: (N,), standard deviation of the noise.
            is_colour: (N,), whether it is a plane of colour.
            depth: so many stages work; None: all.
            frozen: the first of them that gets gradients.
        """
        noise = sigma.clamp_min(LEAST_SIGMA)
        conditions = torch.stack(
            [torch.ones_like(noise), (255 * noise / USUAL_255).log(), is_colour.to(noise)], 1
        )
        h, w = planes.shape[-2:]
        image = mirrored(planes, PAD_PX)[:, 0] / noise.view(-1, 1, 1)
        with one_thread():
            seen = spectrum = torch.fft.rfft2(image)
            for number, stage in enumerate(self.stages[:depth]):
                with torch.set_grad_enabled(torch.is_grad_enabled() and number >= frozen):
                    spectrum, image = stage(seen, spectrum, image, conditions)
        return (image[:, None] * noise.view(-1, 1, 1, 1))[..., PAD_PX : PAD_PX + h, PAD_PX : PAD_PX + w]

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        seen: Tensor = self(image, torch.full((1,), 0.1, device=image.device))
        return seen - image


def _cosines() -> Tensor:
    """Return the cosine transform's functions but the constant one, (24, 25), each of length 1."""
    at = torch.arange(SIDE_PX)
    waves = (math.pi / SIDE_PX * (at + 0.5) * at[:, None]).cos()
    waves = waves / waves.norm(dim=1, keepdim=True)
    return torch.einsum("iy,jx->ijyx", waves, waves).reshape(SIDE_PX**2, SIDE_PX**2)[1:]
