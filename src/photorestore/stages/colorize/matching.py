"""Find where in a reference photograph the same is pictured, and how sure that is.

After He et al., *Deep Exemplar-based Colorization* (SIGGRAPH 2018): squares of the two pictures are alike if a network
that knows photographs sees the same in their lightness, at several scales; a match counts as far as it leads back to
where it came from. What differs: a network that is small and frozen, and a reference that may be turned and mirrored.
"""

from __future__ import annotations

import math
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
SURE, SURE_IF_RELATED, DOUBT = 0.62, 0.4, 0.06
"""Likeness at which a match is as likely right as wrong, in any reference and in one that has to do with the picture;
and how fast that changes."""
OFF_SQUARES, OFF_IF_RELATED = 2.0, 8.0
"""Distance, in squares, between a square and where its match leads back to, that lowers trust by a third."""
ACCEPTANCE = (1.87, -0.30, 6.04)
"""By what the log-odds that a reference has to do with the picture grow with those of its mean strict and lenient
trust, and what they are without (`python -m training.tune_references`)."""
LEAST_TRUST = 1e-4
"""Mean trusts count as at least this far from 0 and 1."""
LEAST_ACCEPTED = 0.5
"""Nothing of a reference is used that is less likely than this to have to do with the picture."""
LEAST_EXPOSURE, MOST_EXPOSURE = 0.6, 1.6
"""Factors by which the colours of a match are made paler or stronger, where it is brighter or darker."""
MATCHES, SHARPNESS = 4, 40.0
"""The likest squares whose colours are mixed, and how much the likest of them counts."""

Evidence = tuple[float, float]
"""Log-odds of the mean strict and lenient trusts of a reference."""
Acceptance = tuple[float, float, float]
"""See `ACCEPTANCE`."""
See = Callable[[Tensor], Seen]
"""Looks at grey views, see `sight.Sight`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference shows of a view, and how sure that is, before it is judged as a whole.

    Attributes:
        ab: (1, 2, V/4, U/4) colours of what is alike.
        strict: (1, 1, V/4, U/4) in [0, 1], trust that any reference deserves.
        lenient: (1, 1, V/4, U/4) in [0, 1], trust that one deserves which has to do with the picture.
    """

    ab: Tensor
    strict: Tensor
    lenient: Tensor

    @property
    def evidence(self) -> Evidence:
        """Return what tells references apart."""
        strict, lenient = (
            float(trust.mean().clamp(LEAST_TRUST, 1 - LEAST_TRUST).logit())
            for trust in (self.strict, self.lenient)
        )
        return strict, lenient


@dataclass(frozen=True, slots=True)
class Matched:
    """What a reference says of a view.

    Attributes:
        ab: (1, 2, V/4, U/4) colours of what is alike.
        trust: (1, 1, V/4, U/4) in [0, 1]; 0 everywhere where the reference is refused.
        accepted: how likely the reference has to do with the picture, at least `LEAST_ACCEPTED`; 0 if it is refused.
    """

    ab: Tensor
    trust: Tensor
    accepted: float


def match(see: See, lightness: Tensor, reference: Tensor) -> Matched:
    """Match a view's lightness (1, 1, V, U) with a reference's view, CIELab (1, 3, v, u)."""
    return judged(find(see, lightness, reference))


def judged(found: Found, acceptance: Acceptance = ACCEPTANCE) -> Matched:
    """Decide how far a reference is believed: as far as it is likely to have to do with the picture."""
    likely = likelihood(found.evidence, acceptance)
    accepted = likely if likely >= LEAST_ACCEPTED else 0.0
    return Matched(found.ab, accepted * found.lenient, accepted)


def likelihood(evidence: Evidence, acceptance: Acceptance = ACCEPTANCE) -> float:
    """Return how likely a reference has to do with the picture, 0 to 1, related and unrelated ones being as common."""
    by_strict, by_lenient, offset = acceptance
    return 1 / (1 + math.exp(-(by_strict * evidence[0] + by_lenient * evidence[1] + offset)))


def find(see: See, lightness: Tensor, reference: Tensor) -> Found:
    """Find in a reference's view, CIELab (1, 3, v, u), what a view shows whose lightness is (1, 1, V, U)."""
    target = see(grey_of(lightness))
    turned = max(_orientations(reference), key=lambda lab: _likeness(target, see(_as_bright(lab, lightness))))
    return _found(target, see(_as_bright(turned, lightness)), turned, lightness)


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


def _found(target: Seen, seen: Seen, reference: Tensor, lightness: Tensor) -> Found:
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
    strict, lenient = (
        _trust(likest[:, 0], off, *limits).view(1, 1, h, w)
        for limits in ((SURE, OFF_SQUARES), (SURE_IF_RELATED, OFF_IF_RELATED))
    )
    return Found(ab, strict, lenient)


def _trust(likeness: Tensor, off: Tensor, sure: float, usual_off: float) -> Tensor:
    return ((likeness - sure) / DOUBT).sigmoid() * torch.exp(-0.5 * (off / usual_off).square())
