"""Replace impulses: salt and pepper, pixels of random values, dead pixels, dust; the other pixels stay as they are.

After Yuan and Ghanem, *l0TV: a sparse optimization method for impulse noise image restoration*, TPAMI 2019 (CVPR 2015):
of all pictures the one of least total variation and fewest replaced samples, as a program with equilibrium constraints,
solved by alternating directions (l0TV-PADMM). It differs in that the total variation is that of all channels together,
and that the step for the picture is exact, by spectra.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor
from photorestore.pixels.optics import mirrored
from photorestore.pixels.threads import one_thread
from photorestore.stages.denoise.methods.contract import Step, contract, distinct
from photorestore.stages.denoise.methods.variation import gradient, gradient_back, gradient_power

PAD_PX = 8
VARIATION_WEIGHT = 8.0
"""Weight of the total variation of values in [0, 1], where each replaced sample costs 1 (lambda)."""
PENALTY = 100.0
"""Of what violates the constraints (beta)."""
STEPS = 80
EXTREMES_SHARE = 0.005
"""Share of black and of white samples each from which they count as salt and pepper."""
WINDOW_PX, ONE_SIDED = 7, 0.6
"""Where in a window that holds a sample the share of one extreme exceeds that of the other by so much, the picture is
black or white."""
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class ImpulseRemoval:
    """Return pictures whose impulses are replaced by what is around them.

    Attributes:
        step: see `Step`.
        weight: see `VARIATION_WEIGHT`.
        steps: how many.
    """

    step: Step = nullcontext
    weight: float = VARIATION_WEIGHT
    steps: int = STEPS

    @property
    def descriptor(self) -> Descriptor:
        """Return the contract."""
        return contract("ImpulseRemoval", reach_px=48)

    def __call__(self, image: Tensor, sigma: Tensor) -> Tensor:  # noqa: ARG002 - all methods are told it
        """Replace impulses.

        Args:
            image: (N, 3, H, W) in [0, 1].
            sigma: not used.

        Returns:
            (N, 3, H, W); samples that are no impulses are those of `image`.
        """
        h, w = image.shape[-2:]
        with self.step():
            seen = mirrored(distinct(image.float()), PAD_PX)
            trusted = (~is_salt_or_pepper(seen)).to(seen)
            has_known = (trusted == 0).flatten(1).any(1).view(-1, 1, 1, 1)
            start = torch.where(has_known, _filled(seen, trusted), _median(seen))
        pictures, kept = self._solved(seen, trusted, start)
        is_impulse = (trusted == 0) | (kept < 0.5)
        result = torch.where(is_impulse, pictures, seen)[..., PAD_PX : PAD_PX + h, PAD_PX : PAD_PX + w]
        return result.expand(-1, 3, -1, -1)

    def _solved(self, seen: Tensor, trusted: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pictures, and by sample 1 where it is kept and 0 where it is replaced.

        Args:
            seen: noisy pictures (N, 3, H, W).
            trusted: 0 where a sample is known to be an impulse (o).
            start: pictures to begin with.
        """
        h, w = seen.shape[-2:]
        divisor = 1 + gradient_power(h, w, seen.device)
        threshold = self.weight * (seen.shape[1] / 3) ** 0.5 / PENALTY  # one channel as three equal ones
        picture, kept = start, trusted
        slopes, off = gradient(picture), picture - seen  # x and y
        slope_dual, off_dual, kept_dual = (
            torch.zeros_like(slopes),
            torch.zeros_like(off),
            torch.zeros_like(off),
        )
        for _ in range(self.steps):
            with self.step():
                size = trusted * off.abs()
                kept = ((1 - kept_dual * size) / (PENALTY * size.square() + TINY)).clamp_(0, 1)
                slopes = _shrunk(gradient(picture) + slope_dual / PENALTY, threshold)
                wanted = picture - seen + off_dual / PENALTY
                bound = kept * trusted
                least = wanted.abs() - kept_dual * bound / PENALTY
                off = wanted.sign() * least.clamp_min(0) / (1 + bound.square())
                goal = gradient_back(slopes - slope_dual / PENALTY) + off + seen - off_dual / PENALTY
                with one_thread():
                    picture = torch.fft.irfft2(torch.fft.rfft2(goal) / divisor, (h, w))
                slope_dual += PENALTY * (gradient(picture) - slopes)
                off_dual += PENALTY * (picture - seen - off)
                kept_dual += PENALTY * kept * trusted * off.abs()
        return picture, kept


def is_salt_or_pepper(image: Tensor) -> Tensor:
    """Return which samples (N, 3, H, W) are black or white by an impulse, where there are impulses of both kinds.

    Black places and white ones are not taken for impulses.
    """
    black, white = image <= 0, image >= 1
    odds = _mean_around(white.to(image) - black.to(image))
    pepper, salt = black & (-_most_around(-odds) > -ONE_SIDED), white & (_most_around(odds) < ONE_SIDED)
    are_there = (pepper.float().mean((1, 2, 3)) > EXTREMES_SHARE) & (
        salt.float().mean((1, 2, 3)) > EXTREMES_SHARE
    )
    return (pepper | salt) & are_there.view(-1, 1, 1, 1)


def _mean_around(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, WINDOW_PX, 1, WINDOW_PX // 2, count_include_pad=False)


def _most_around(values: Tensor) -> Tensor:
    """Return the greatest value of the windows that have a sample in their middle, on a side or in a corner."""
    h, w = values.shape[-2:]
    radius = WINDOW_PX // 2
    around = F.pad(values, (radius,) * 4, mode="replicate")
    shifts = (0, radius, 2 * radius)
    return torch.stack([around[..., y : y + h, x : x + w] for y in shifts for x in shifts]).amax(0)


def _filled(image: Tensor, trusted: Tensor) -> Tensor:
    """Return pictures with the samples that are not trusted replaced by means of those around them."""
    missing, filled = trusted == 0, image * trusted
    for radius in (1, 2, 4, 8):
        share = F.avg_pool2d(trusted, 2 * radius + 1, 1, radius)
        mean = F.avg_pool2d(image * trusted, 2 * radius + 1, 1, radius) / share.clamp_min(TINY)
        found = missing & (share > 0)
        filled, missing = torch.where(found, mean, filled), missing & ~found
    return torch.where(missing, image.mean((2, 3), keepdim=True), filled)


def _median(image: Tensor) -> Tensor:
    """Return the median of each 3 x 3 px."""
    around = F.pad(image, (1, 1, 1, 1), mode="circular")
    rows = around.unfold(2, 3, 1).unfold(3, 3, 1)
    return rows.flatten(-2).median(-1).values


def _shrunk(slopes: Tensor, by: float) -> Tensor:
    """Return slopes (2, N, 3, H, W), shortened by so much over directions and channels together."""
    length = slopes.square().sum((0, 2), keepdim=True).sqrt()
    return slopes * (1 - by / length.clamp_min(TINY)).clamp_min(0)
