"""Remove noise by a cascade of shrinkage fields: ShrinkageCascade.

After Schmidt and Roth, *Shrinkage fields for effective image restoration*, CVPR 2014. Each stage shrinks the responses
of some filters, and solves for the picture that lies near the noisy one and has these responses, by one division of
spectra. It differs in two ways: all is computed in units of the noise, so that one cascade serves all levels; and
what is learned is by how much a response changes, by rational functions, which take a few steps of arithmetic where
sums of radial basis functions take a table.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from photorestore.networks.descriptor import Descriptor, Port
from photorestore.pixels.optics import mirrored
from photorestore.pixels.threads import one_thread
from photorestore.stages.denoise.network import NOISY
from photorestore.stages.denoise.opponents import noise_of, picture_of, planes_of
from photorestore.stages.denoise.windows import (
    RADIUS_PX,
    SIDE_PX,
    filtered_back,
    power_of,
    repeated,
    responses_of,
    wrapped,
)

USUAL_255 = 25.0
"""Level at which a second set of weights does not count."""
LEAST_SIGMA = 0.5 / 255
"""Least noise that is taken for there."""
PAD_PX = 4
BAND_PX = 16384
"""Pixels of a band, which should fit where caches are."""
REACH_PX = 32
"""A spectrum's reach has no end, but what is further off hardly counts."""
FIRST_WIDTH = 2.0
"""Response, in units of the noise, at which a change is about greatest before training."""
CONDITIONS = 3
"""Sets of weights that are added: always, by the logarithm of the level, and in planes of colour."""


class ShrinkageField(nn.Module):
    """One stage: shrink the responses of filters, and solve for the picture.

    Args:
        filters: how many.
    """

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.eye(filters, len(_cosines())) / FIRST_WIDTH)
        self.strengths = nn.Parameter(torch.full((filters,), 2 * math.log(FIRST_WIDTH)))
        self.shapes = nn.Parameter(torch.zeros(CONDITIONS, 2, filters))
        self.data = nn.Parameter(torch.zeros(CONDITIONS))
        with torch.no_grad():
            self.shapes[0, 1] = -1

    def forward(self, noisy: Tensor, image: Tensor, conditions: Tensor) -> Tensor:
        """Return the next picture.

        Args:
            noisy: the noisy planes (N, H, W), in units of the noise, which repeat beyond their borders.
            image: the planes so far, likewise.
            conditions: (N, CONDITIONS).
        """
        kernels = self.filters @ _cosines().to(image)  # (filters, 25)
        back = self.strengths.exp()[:, None] * kernels
        shapes = torch.tensordot(conditions, self.shapes, 1)[..., None, None]  # (N, 2, filters, 1, 1)
        data = (conditions @ self.data).exp().view(-1, 1, 1)
        wanted = data * (noisy - image) + self._changed(image, kernels, back, shapes)
        power = power_of(kernels, back, (image.shape[1], image.shape[2]))
        return image + torch.fft.irfft2(
            torch.fft.rfft2(wanted) * (data + power).reciprocal(), image.shape[-2:]
        )

    def _changed(self, image: Tensor, kernels: Tensor, back: Tensor, shapes: Tensor) -> Tensor:
        """Return by how much the shrunk responses, filtered backwards, differ from the responses themselves."""
        around = repeated(image)
        if torch.is_grad_enabled():
            return wrapped(filtered_back(change_of(responses_of(around, kernels), shapes), back))
        rows = max(8, BAND_PX // image.shape[2])
        total = torch.zeros_like(around)
        for n, top in itertools.product(range(len(image)), range(0, image.shape[1], rows)):
            band = (slice(n, n + 1), slice(top, top + rows + 2 * RADIUS_PX))
            responses = responses_of(around[band], kernels)
            total[band] += filtered_back(change_of(responses, shapes[n : n + 1]), back)
        return wrapped(total)


def change_of(responses: Tensor, shapes: Tensor) -> Tensor:
    """Return by how much responses r change: r z (a + b z), where z = 1 / (1 + r^2).

    Args:
        responses: (N, C, H, W); overwritten where no gradients are wanted.
        shapes: a and b (N, 2, C, 1, 1).
    """
    damped = torch.addcmul(responses.new_ones(()), responses, responses).reciprocal_()
    first, second = shapes.unbind(1)
    if torch.is_grad_enabled():
        return responses * damped * (first + second * damped)
    responses.mul_(damped)
    return damped.mul_(second).add_(first).mul_(responses)


class ShrinkageCascade(nn.Module):
    """Noisy picture and the level of its noise in, denoised picture out; the result is not clamped.

    Args:
        stages: how many `ShrinkageField`s follow one another.
        filters: of each.
    """

    def __init__(self, stages: int, filters: int) -> None:
        super().__init__()
        self.descriptor = Descriptor(
            "ShrinkageCascade",
            (NOISY, Port("sigma", "N", 0, 1)),
            Port("denoised", "N 3 H W", 0, 1),
            stride=2,
            reach_px=REACH_PX,
            in_bfloat16=False,
        )
        self.stages = nn.ModuleList(ShrinkageField(filters) for _ in range(stages))

    def forward(self, image: Tensor, sigma: Tensor) -> Tensor:
        """Denoise.

        Args:
            image: (N, 3, H, W) in [0, 1], H and W even; noise may take it outside.
            sigma: (N,), standard deviation of the noise in [0, 1] units.

        Returns:
            (N, 3, H, W), float32, not clamped.
        """
        image, sigma = image.float(), sigma.float().clamp_min(LEAST_SIGMA)
        noise = noise_of(image, sigma)
        if not noise[:, 1:].any():
            plane = self.planes(image[:, :1], sigma, torch.zeros_like(sigma, dtype=torch.bool))
            return plane.expand(-1, 3, -1, -1)
        planes = planes_of(image)
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
        image = mirrored(planes, PAD_PX, is_fast=True)[:, 0] / noise.view(-1, 1, 1)
        with one_thread():
            noisy = image
            for number, stage in enumerate(self.stages[:depth]):
                with torch.set_grad_enabled(torch.is_grad_enabled() and number >= frozen):
                    image = stage(noisy, image, conditions)
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
