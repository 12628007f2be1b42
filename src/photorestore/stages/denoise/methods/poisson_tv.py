"""Remove photon noise, whose variance grows with brightness, and a known blur with it.

After Jon, Liu, Lv and Zhu, *Poisson noisy image restoration via overlapping group sparse and nonconvex second-order
total variation priors*, PLOS ONE 2021: the picture `u` of least energy

    peak <k * u - y log(k * u), 1> + a sum of groups' |gradient u| + b sum of |curvature u|^p

by alternating directions; the groups by majorisation and minimisation, the curvature by weights that are renewed
(IRLS). It differs in that only pixels inside the picture are data, and in that of each step's picture and the one
before the one of less energy is kept, because alternating directions alone promise no descent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor
from photorestore.pixels.optics import Optics, mirrored
from photorestore.pixels.threads import one_thread
from photorestore.stages.denoise.methods.contract import Step, contract, distinct
from photorestore.stages.denoise.methods.variation import (
    curvature,
    curvature_back,
    gradient,
    gradient_back,
    gradient_power,
)

GROUP_PX = 3
"""Side of the groups of differences that vanish together."""
GRADIENT_WEIGHT, CURVATURE_WEIGHT = 0.14, 0.05
"""Weights of both priors for a peak of 1, chosen on training photographs; they grow with its root."""
FINE_PEAK, FINE_POWER, LEAST_SHARE = 25.0, 0.7, 0.4
"""Above this peak the gradient's weight falls by this power of it, to this share: less noise, finer detail."""
BLURRED = (0.5, 0.2)
"""Shares of both weights where a blur is undone, which has left detail faint. Chosen on two training photographs, at
peaks of 25 and 255."""
POWER = 0.5
"""Of the curvature (p); below 1 few, strong bends are better than many weak ones."""
DATA_PENALTY, GRADIENT_PENALTY, CURVATURE_PENALTY = 1.0, 0.5, 0.5
"""Penalties of what violates the constraints, for a peak of 1."""
STEPS, GROUP_STEPS = 60, 3
PAD_PX = 16
LEAST = 1e-4
"""Least brightness that is reckoned with, and least difference."""


@dataclass(frozen=True, slots=True)
class PoissonTV:
    """Return pictures without photon noise.

    Attributes:
        peak: photons that make white.
        psf: the blur that is undone, (K, K), K odd, its sum 1; None = none.
        step: see `Step`.
        weights: of gradient and curvature, see `GRADIENT_WEIGHT`; None: those that suit the peak.
        group_px: see `GROUP_PX`; 1, with a weight of 0 for the curvature, is plain total variation.
        steps: how many.
    """

    peak: float
    psf: Tensor | None = None
    step: Step = nullcontext
    weights: tuple[float, float] | None = None
    group_px: int = GROUP_PX
    steps: int = STEPS

    @property
    def descriptor(self) -> Descriptor:
        """Return the contract."""
        return contract("PoissonTV", reach_px=32 + self.pad_px)

    @property
    def pad_px(self) -> int:
        """Return by how much pictures are extended."""
        return PAD_PX + (0 if self.psf is None else 2 * (self.psf.shape[-1] // 2))

    @property
    def _weights(self) -> tuple[float, float]:
        if self.weights is not None:
            return self.weights
        share = min(1.0, max(LEAST_SHARE, (FINE_PEAK / self.peak) ** FINE_POWER))
        of_gradient, of_curvature = (1.0, 1.0) if self.psf is None else BLURRED
        return of_gradient * share * GRADIENT_WEIGHT, of_curvature * CURVATURE_WEIGHT

    def __call__(self, image: Tensor, sigma: Tensor) -> Tensor:  # noqa: ARG002 - all methods are told it
        """Remove noise from pictures (N, 3, H, W) in [0, 1]; `sigma` is not used, since `peak` tells the noise."""
        h, w = image.shape[-2:]
        *_, result = self.iterates(image)
        return result[..., self.pad_px : self.pad_px + h, self.pad_px : self.pad_px + w].expand(-1, 3, -1, -1)

    def iterates(self, image: Tensor) -> Iterator[Tensor]:
        """Yield the picture after each step, with margins of `pad_px`; grey ones have one channel."""
        known = torch.ones_like(image[:, :1], dtype=torch.bool)
        seen = mirrored(distinct(image).float().clamp_min(0), self.pad_px)
        known = F.pad(known, (self.pad_px,) * 4)
        psf = torch.ones(1, 1) if self.psf is None else self.psf
        with one_thread():
            optics = Optics.of(psf.to(image.device), known)
        best = seen.clamp_min(LEAST)
        lowest = self.energy(best, seen, optics)
        for picture in self._alternating(seen, optics):
            energy = self.energy(picture, seen, optics)
            is_better = energy < lowest
            best, lowest = torch.where(is_better, picture, best), torch.where(is_better, energy, lowest)
            yield best

    def energy(self, picture: Tensor, seen: Tensor, optics: Optics) -> Tensor:
        """Return the energy of each channel of pictures (N, C, H, W) that explain others: (N, C, 1, 1)."""
        gradient_weight, curvature_weight = (weight * self.peak**0.5 for weight in self._weights)
        with one_thread():
            blurred = optics.blur(picture).clamp_min(LEAST)
        misfit = (self.peak * (blurred - seen * blurred.log())).masked_fill(~optics.known, 0)
        groups = self._groups(gradient(picture).square()).sqrt().sum(0)
        bends = curvature(picture).abs().pow(POWER).sum(0)
        terms = misfit + gradient_weight * groups + curvature_weight * bends
        return terms.double().sum((-2, -1), keepdim=True)

    def _alternating(self, seen: Tensor, optics: Optics) -> Iterator[Tensor]:
        """Yield the pictures of the alternating directions' method of multipliers, positive."""
        size_hw, peak = optics.size_hw, self.peak
        gradient_weight, curvature_weight = (
            weight * peak**-0.5 for weight in self._weights
        )  # over the penalties
        power = gradient_power(*size_hw, seen.device)
        divisor = DATA_PENALTY * optics.power + GRADIENT_PENALTY * power + CURVATURE_PENALTY * power.square()
        picture, blurred = seen, seen
        slopes, bends = gradient(seen), curvature(seen)
        duals = [torch.zeros_like(part) for part in (seen, slopes, bends)]
        for _ in range(self.steps):
            with self.step(), one_thread():
                wanted = blurred - duals[0]
                shifted = wanted - 1 / DATA_PENALTY
                light = (shifted + (shifted.square() + 4 * seen / DATA_PENALTY).sqrt()) / 2
                light = torch.where(optics.known, light, wanted)
                wanted = gradient(picture) - duals[1]
                slopes = self._grouped(wanted, slopes, gradient_weight / GRADIENT_PENALTY)
                wanted = curvature(picture) - duals[2]
                threshold = (
                    curvature_weight / CURVATURE_PENALTY * POWER * (bends.abs() + LEAST) ** (POWER - 1)
                )
                bends = wanted.sign() * (wanted.abs() - threshold).clamp_min(0)
                goal = GRADIENT_PENALTY * gradient_back(slopes + duals[1])
                goal += CURVATURE_PENALTY * curvature_back(bends + duals[2])
                spectrum = torch.fft.rfft2(goal) + DATA_PENALTY * optics.back * torch.fft.rfft2(
                    light + duals[0]
                )
                spectrum /= divisor
                picture, blurred = optics.picture_of(spectrum), optics.picture_of(spectrum * optics.transfer)
                duals[0] += light - blurred
                duals[1] += slopes - gradient(picture)
                duals[2] += bends - curvature(picture)
                yield picture.clamp_min(LEAST)

    def _grouped(self, wanted: Tensor, start: Tensor, weight: float) -> Tensor:
        """Return the slopes near `wanted` whose groups are small, by majorising the groups around those so far."""
        slopes = start
        for _ in range(GROUP_STEPS):
            sizes = self._groups(slopes.square()).sqrt().clamp_min(LEAST)
            slopes = wanted / (1 + weight * self._groups(1 / sizes))
        return slopes

    def _groups(self, values: Tensor) -> Tensor:
        """Return the sums over groups around each pixel of (..., H, W), which repeat beyond their borders."""
        if self.group_px == 1:
            return values
        margin = self.group_px // 2
        flat = F.pad(values.flatten(0, -3)[:, None], (margin,) * 4, mode="circular")
        return self.group_px**2 * F.avg_pool2d(flat, self.group_px, 1).view(values.shape)
