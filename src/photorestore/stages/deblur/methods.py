"""Undo a known blur: Wiener's filter, Richardson and Lucy's iteration, and half-quadratic splitting with a denoiser.

All take the model `blurred = psf * sharp + noise`; `docs/models/deblur.md` has the formulas and their sources.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from photorestore.pixels.optics import GRADIENT_STEPS, Optics
from photorestore.pixels.threads import one_thread

FIRST_LEVEL = 49 / 255
"""Level at which the denoiser begins; it explains ringing and what the first solution makes of noise as noise."""
STEPS = 8
QUICK_STEPS, QUICK_GRADIENT_STEPS = 3, 2
"""With shrinkage fields as denoiser. On 21 training photographs, shaken or moved, whose PSFs were estimated, 5 steps
of 3 gradients gained .2 dB more in 1.7 times the time; and on 12 of these the denoiser of `denoise`, in 4 steps of 3,
.1 dB less than those."""
PRIOR_WEIGHT = 0.23
"""Weight of the prior against the data, as published (lambda)."""
WIENER_BALANCE = 100.0
"""Weight of smoothness for noise of variance 1, chosen on training photographs."""
LEAST_STEPS, MOST_STEPS, STEPS_TIMES_SIGMA = 3, 60, 0.3
"""Steps of Richardson and Lucy, chosen on training photographs: 30 for noise of 2.55 of 255, 10 for 7.65."""
LUCY_FLOOR, MOST_LUCY = 1e-3, 4.0
"""Least value that is divided by, and most that a pixel grows in a step."""

Denoise = Callable[[Tensor, Tensor], Tensor]
"""Denoises (N, 3, H, W) of the levels (N,)."""
Step = Callable[[], AbstractContextManager[None]]
"""Makes what is entered for each step of computing; it may raise to stop."""


class Method(Protocol):
    """Undoes a blur."""

    def __call__(self, blurred: Tensor, optics: Optics, noise: Tensor) -> Tensor:
        """Return the sharp pictures.

        Args:
            blurred: (N, 3, H, W) in [0, 1], with margins that `optics` does not know.
            optics: what blurred them.
            noise: of each, standard deviation in [0, 1] units, above 0, (N, 1, 1, 1).
        """


@dataclass(frozen=True, slots=True)
class Wiener:
    """Return the smooth pictures that explain the blurred ones: Wiener's filter, held back where noise would win.

    Attributes:
        balance: weight of smoothness for noise of variance 1.
        step: see `Step`.
    """

    step: Step = nullcontext
    balance: float = WIENER_BALANCE

    def __call__(self, blurred: Tensor, optics: Optics, noise: Tensor) -> Tensor:
        """See `Method`."""
        with self.step(), one_thread():
            held_back = self.balance * noise.square() * roughness(*optics.size_hw, blurred.device)
            return optics.explain(blurred, torch.zeros_like(blurred), held_back, start=blurred)


@dataclass(frozen=True, slots=True)
class RichardsonLucy:
    """Return the sharp pictures by the iteration of Richardson and Lucy, which keeps light and never falls below 0.

    Attributes:
        steps: how many; None: the fewer, the more noise there is, because noise grows with each step.
        step: see `Step`.
    """

    step: Step = nullcontext
    steps: int | None = None

    def __call__(self, blurred: Tensor, optics: Optics, noise: Tensor) -> Tensor:
        """See `Method`."""
        usual = round(min(MOST_STEPS, max(LEAST_STEPS, STEPS_TIMES_SIGMA / float(noise.max()))))
        seen = sharp = blurred.clamp_min(0)
        with one_thread():
            share = optics.filtered(optics.known.float(), optics.back)  # of a point's light that is known
        for _ in range(usual if self.steps is None else self.steps):
            with self.step(), one_thread():
                ratio = (seen / optics.blur(sharp).clamp_min(LUCY_FLOOR)).masked_fill_(~optics.known, 0)
                growth = (optics.filtered(ratio, optics.back) / share.clamp_min(LUCY_FLOOR)).clamp(
                    0, MOST_LUCY
                )
                sharp = torch.where(share > LUCY_FLOOR, sharp * growth, sharp)
        return sharp


@dataclass(frozen=True, slots=True)
class HalfQuadraticSplitting:
    """Alternate between the picture that explains the blurred one and what a denoiser makes of it.

    The level that the denoiser is told falls from `FIRST_LEVEL` to that of the noise.

    Attributes:
        denoise: takes pictures whose sides are not restricted.
        step: see `Step`; not entered for the denoiser.
        steps: how many.
        gradient_steps: of the conjugate gradients, in each step.
    """

    denoise: Denoise
    step: Step = nullcontext
    steps: int = STEPS
    gradient_steps: int = GRADIENT_STEPS

    def __call__(self, blurred: Tensor, optics: Optics, noise: Tensor) -> Tensor:
        """See `Method`."""
        sharp = blurred
        for share in torch.linspace(0, 1, self.steps).tolist():
            with self.step(), one_thread():
                level = FIRST_LEVEL ** (1 - share) * noise**share
                weight = PRIOR_WEIGHT * (noise / level).square()
                solution = optics.explain(blurred, sharp, weight, start=sharp, steps=self.gradient_steps)
            sharp = self.denoise(solution.clamp(-0.5, 1.5), level.flatten())
        return sharp


def quick_splitting(denoise: Denoise, step: Step = nullcontext) -> HalfQuadraticSplitting:
    """Return the splitting with few steps, for shrinkage fields as denoiser."""
    return HalfQuadraticSplitting(denoise, step, QUICK_STEPS, QUICK_GRADIENT_STEPS)


def roughness(height: int, width: int, device: torch.device) -> Tensor:
    """Return the squared spectrum of the Laplace operator, (H, W // 2 + 1), from 0 for flat pictures to 64."""
    rows = torch.fft.fftfreq(height, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, device=device)[None]
    laplacian = 4 - 2 * (2 * torch.pi * rows).cos() - 2 * (2 * torch.pi * columns).cos()
    return laplacian.square()
