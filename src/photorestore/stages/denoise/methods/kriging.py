"""Replace impulses as far as they seem to be some, by punctual kriging from reliable samples around them.

A fuzzy map tells how much each sample is an impulse. Ordinary kriging (Matheron 1963) estimates it from its nearest
reliable neighbours, with the weights that have the least variance of error by an exponential variogram, fitted to the
picture.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor
from photorestore.pixels.optics import mirrored
from photorestore.stages.denoise.methods.contract import Step, contract, distinct
from photorestore.stages.denoise.methods.l0tv import is_salt_or_pepper

WINDOW_PX = 7
"""Side of the window in which neighbours are looked for."""
NEIGHBOURS = 8
LEAST_NEIGHBOURS = 3
PASSES = 12
"""Most passes; samples without reliable neighbours wait for the next one, which counts those found as reliable."""
SURELY_NOT, SURELY = 3.0, 6.0
"""Difference to the median of 3 x 3 px, in units of what is usual around, from which a sample may be an impulse, and
from which it surely is one."""
LEAST_USUAL = 4 / 255
"""Least difference that counts as usual."""
RELIABLE = 0.5
"""A sample is reliable that is an impulse less than so much."""
RANGES_PX = (0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 20.0)
"""Of the variogram, of which the one that fits best is taken."""
AT_ONCE = 16384
"""Systems of equations that are solved at once."""
UNRELATED = 1e4


@dataclass(frozen=True, slots=True)
class Kriging:
    """Return pictures whose impulses are replaced.

    Attributes:
        step: see `Step`.
    """

    step: Step = nullcontext

    @property
    def descriptor(self) -> Descriptor:
        """Return the contract."""
        return contract("Kriging", reach_px=48)

    def __call__(self, image: Tensor, sigma: Tensor) -> Tensor:  # noqa: ARG002 - all methods are told it
        """Replace impulses in pictures (N, 3, H, W) in [0, 1]; `sigma` is not used.

        Returns:
            (N, 3, H, W); samples that are no impulses at all are those of `image`.
        """
        seen = distinct(image.float())
        with self.step():
            degree = impulse_degree(seen)
        planes = [
            self._replaced(plane, degrees)
            for plane, degrees in zip(seen.flatten(0, 1), degree.flatten(0, 1), strict=True)
        ]
        return torch.stack(planes).view(seen.shape).expand(-1, 3, -1, -1)

    def _replaced(self, plane: Tensor, degree: Tensor) -> Tensor:
        """Return one plane (H, W) with its impulses replaced."""
        reliable, values = degree < RELIABLE, plane.clone()
        waiting = degree > 0
        range_px = fitted_range(plane, reliable)
        for _ in range(PASSES):
            rows, columns = torch.nonzero(waiting, as_tuple=True)
            if not len(rows):
                break
            found = reliable.clone()
            for part in zip(rows.split(AT_ONCE), columns.split(AT_ONCE), strict=True):
                with self.step():
                    estimate, has_any = _estimated(values, reliable, part, range_px)
                    at = (part[0][has_any], part[1][has_any])
                    values[at] = estimate[has_any]
                    found[at] = True
                    waiting[at] = False
            reliable = found
        return torch.lerp(plane, values, degree)


def impulse_degree(image: Tensor) -> Tensor:
    """Return how much each sample (N, C, H, W) is an impulse, 0 to 1: the fuzzy map."""
    around = mirrored(image, 1).unfold(2, 3, 1).unfold(3, 3, 1).flatten(-2)
    off = (image - around.median(-1).values).abs()
    usual = _mean_around(off.clamp_max(0.1)).clamp_min(LEAST_USUAL)
    degree = ((off / usual - SURELY_NOT) / (SURELY - SURELY_NOT)).clamp(0, 1)
    known = is_salt_or_pepper(image)
    has_known = known.flatten(1).any(1).view(-1, 1, 1, 1)
    return torch.where(has_known, known.to(degree), degree)


def fitted_range(plane: Tensor, reliable: Tensor) -> float:
    """Return the range in pixels of the exponential variogram that fits the reliable samples (H, W) best."""
    lags, found = [], []
    for lag in range(1, min(6, plane.shape[-1])):
        both = reliable[:, lag:] & reliable[:, :-lag]
        if both.any():
            differences = plane[:, lag:][both] - plane[:, :-lag][both]
            found.append(float(differences.square().mean()))
            lags.append(float(lag))
    if not found or max(found) == 0:
        return RANGES_PX[-1]
    measured, lag_px = torch.tensor(found), torch.tensor(lags)
    misfits = []
    for range_px in RANGES_PX:
        model = 1 - (-lag_px / range_px).exp()
        sill = (model * measured).sum() / model.square().sum()
        misfits.append(float((sill * model - measured).square().sum()))
    return RANGES_PX[misfits.index(min(misfits))]


def _estimated(
    values: Tensor, reliable: Tensor, at: tuple[Tensor, Tensor], range_px: float
) -> tuple[Tensor, Tensor]:
    """Return what is to be expected at places (M,) of a plane, and whether enough is reliable around them."""
    offsets = _offsets().to(values.device)
    radius = WINDOW_PX // 2
    rows, columns = (place[:, None] + offset + radius for place, offset in zip(at, offsets.T, strict=True))
    seen = F.pad(values, (radius,) * 4)[rows, columns]  # (M, 48)
    usable = F.pad(reliable, (radius,) * 4)[rows, columns]
    far = torch.where(usable, offsets.double().norm(dim=1), UNRELATED)
    nearest = far.topk(NEIGHBOURS, largest=False, sorted=False).indices
    is_usable = usable.gather(1, nearest)
    places = offsets.double()[nearest]  # (M, NEIGHBOURS, 2)
    between = 1 - (-torch.cdist(places, places) / range_px).exp()
    towards = 1 - (-places.norm(dim=2) / range_px).exp()
    count = NEIGHBOURS + 1
    system = between.new_ones(len(places), count, count)
    system[:, :-1, :-1] = between - torch.diag_embed(UNRELATED * (~is_usable).to(between))
    system[:, -1, -1] = 0
    right = torch.cat([towards, torch.ones_like(towards[:, :1])], 1)
    weights = torch.linalg.solve(system, right)[:, :-1] * is_usable
    total = weights.sum(1).clamp_min(0.1)
    estimate = (weights * seen.gather(1, nearest)).sum(1) / total
    enough = is_usable.sum(1) >= LEAST_NEIGHBOURS
    return estimate.clamp(0, 1).to(values), enough


def _offsets() -> Tensor:
    """Return the places in a window around its middle, (48, 2)."""
    at = torch.arange(WINDOW_PX) - WINDOW_PX // 2
    places = torch.cartesian_prod(at, at)
    return places[places.abs().sum(1) > 0]


def _mean_around(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, WINDOW_PX, 1, WINDOW_PX // 2, count_include_pad=False)
