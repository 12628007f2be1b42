"""Find where in a reference photograph the same is pictured, and how sure that is.

After He et al., *Deep Exemplar-based Colorization* (SIGGRAPH 2018): squares of the two pictures are alike if a network
that knows photographs sees the same in their lightness, at several scales; a match counts as far as it leads back to
where it came from. What differs: a network that is small and frozen, and a reference that may be turned and mirrored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.lab import grey_of
from photorestore.stages.colorize.sight import FEATURES, Seen

SQUARE_PX = 4
"""Sides of the squares of the view that are matched."""
SHARES = {4: 0.15, 8: 0.25, 16: 0.35, 32: 0.25}
"""How much each stride's features count."""
TURNS = 4
SURE, SURE_IF_ALIKE, DOUBT = 0.62, 0.4, 0.06
"""Likeness at which a match is as likely right as wrong, in any reference and in one that shows the same on the whole;
and how fast that changes."""
OFF_SQUARES, OFF_IF_ALIKE = 2.0, 8.0
"""Distance, in squares, between a square and where its match leads back to, that lowers trust by a third."""
FOREIGN, ALIKE = 0.2, 0.4
"""Mean trust, if a reference is taken for one that shows the same, below which it does not, and from which it does:
unrelated ones have .11 to .19, other crops of one photograph .53 and more."""
LEAST_EXPOSURE, MOST_EXPOSURE = 0.6, 1.6
"""Factors by which the colours of a match are made paler or stronger, where it is brighter or darker."""
MATCHES, SHARPNESS = 4, 40.0
"""The likest squares whose colours are mixed, and how much the likest of them counts."""

See = Callable[[Tensor], Seen]
"""Looks at grey views, see `sight.Sight`."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What a reference says of a view.

    Attributes:
        ab: (1, 2, V/4, U/4) colours of what is alike.
        trust: (1, 1, V/4, U/4) in [0, 1].
        alike: 0 to 1, whether the reference shows the same on the whole.
    """

    ab: Tensor
    trust: Tensor
    alike: float


def match(see: See, lightness: Tensor, reference: Tensor) -> Matched:
    """Match a view's lightness (1, 1, V, U) with a reference's view, CIELab (1, 3, v, u)."""
    target = see(grey_of(lightness))
    turned = max(_orientations(reference), key=lambda lab: _likeness(target, see(_as_bright(lab, lightness))))
    return _matched(target, see(_as_bright(turned, lightness)), turned, lightness)


def _orientations(lab: Tensor) -> list[Tensor]:
    """Return a reference as it is, turned, and mirrored."""
    return [side.rot90(turns, (-2, -1)) for side in (lab, lab.flip(-1)) for turns in range(TURNS)]


def _as_bright(lab: Tensor, lightness: Tensor) -> Tensor:
    """Return the grey view of a reference with the mean and spread of another lightness."""
    own = lab[:, :1]
    scale = (lightness.std() / own.std().clamp_min(1)).clamp(0.5, 2)
    return grey_of((lightness.mean() + scale * (own - own.mean())).clamp(0, 100))


def _likeness(one: Seen, other: Seen) -> float:
    """Return how alike two views are as a whole, by the coarser features."""
    strides = [stride for stride in SHARES if stride >= 8]
    likeness = _vectors(one, one, strides, 8).T @ _vectors(other, one, strides, 8)
    return float(likeness.amax(1).mean() + likeness.amax(0).mean())


def _vectors(seen: Seen, usual: Seen, strides: list[int], square_px: int) -> Tensor:
    """Return what is seen in each square as a column of length 1: (C, squares)."""
    by_stride = dict(zip(FEATURES, seen, strict=True))
    size = [side * 4 // square_px for side in by_stride[4].shape[-2:]]
    total = sum(SHARES[stride] for stride in strides)
    parts = []
    for stride, mean_of in zip(FEATURES, usual, strict=True):
        if stride in strides:
            features = by_stride[stride] - mean_of.mean((-2, -1), keepdim=True)
            features = F.interpolate(features, size, mode="bilinear", antialias=True)
            parts.append((SHARES[stride] / total) ** 0.5 * F.normalize(features, dim=1))
    return torch.cat(parts, 1)[0].flatten(1)


def _matched(target: Seen, seen: Seen, reference: Tensor, lightness: Tensor) -> Matched:
    strides = list(SHARES)
    likeness = _vectors(target, target, strides, SQUARE_PX).T @ _vectors(seen, target, strides, SQUARE_PX)
    h, w = target[0].shape[-2:]
    likest, at = likeness.topk(min(MATCHES, likeness.shape[1]), 1)
    colours = F.avg_pool2d(reference, SQUARE_PX)[0].flatten(1)
    shares = (SHARPNESS * likest).softmax(1)
    found = (colours[:, at] * shares).sum(-1).view(1, 3, h, w)
    # More light makes a, b and L + 16 larger by one factor.
    exposure = (F.avg_pool2d(lightness, SQUARE_PX) + 16) / (found[:, :1] + 16)
    ab = found[:, 1:] * exposure.clamp(LEAST_EXPOSURE, MOST_EXPOSURE)
    back = likeness.argmax(0)[at[:, 0]]
    here = torch.arange(h * w)
    off = torch.hypot((back // w - here // w).float(), (back % w - here % w).float())
    strict = _trust(likest[:, 0], off, SURE, OFF_SQUARES)
    lenient = _trust(likest[:, 0], off, SURE_IF_ALIKE, OFF_IF_ALIKE)
    alike = min(1.0, max(0.0, (float(lenient.mean()) - FOREIGN) / (ALIKE - FOREIGN)))
    return Matched(ab, torch.lerp(strict, lenient, alike).view(1, 1, h, w), alike)


def _trust(likeness: Tensor, off: Tensor, sure: float, usual_off: float) -> Tensor:
    return ((likeness - sure) / DOUBT).sigmoid() * torch.exp(-0.5 * (off / usual_off).square())
