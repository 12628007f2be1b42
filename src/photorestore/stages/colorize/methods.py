"""Find the colours of a view: by what was learned from photographs, from a reference, and by hints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.hint_words import Hint
from photorestore.pixels.lab import grey_of, lab_of
from photorestore.stages.colorize.bins import cells_in_gamut, colours_of
from photorestore.stages.colorize.carrying import Colours
from photorestore.stages.colorize.matching import Matched, See, match
from photorestore.stages.colorize.spreading import spread

TEMPERATURE = 0.6
"""Below 1 the likelier colours count more than in the mean of all, which is pale."""
LEVELS = 64
"""Steps of lightness for which a transfer knows a colour."""
TRUST_WEIGHT, PRIOR_HOLD = 1.0, 0.005
"""Weights of a trusted match, and of the guess that it corrects."""
HINT_WEIGHT, HINT_HOLD, HINT_RADIUS_PX = 30.0, 0.0005, 2
"""Weights of a hint and of the guess that it corrects, and the hint's size on the view."""
HINT_ROUNDS = 3
NEAR = 15.0
"""Distance in a and b within which colours count as the same: of grass and of leaves, not of grass and of straw."""
MOST_IF_GUESSED = 0.5
"""Confidence in the surest guess."""

Guess = Callable[..., Tensor]
"""Guesses likelihoods of bins from a grey view and what is seen in it, see `network.ColorizeNetwork`."""


@dataclass(frozen=True, slots=True)
class View:
    """A small view of a picture with its colours.

    Attributes:
        lightness: (1, 1, V, U) in [0, 100].
        ab: (1, 2, V, U).
        sure: (1, 1, V, U) in [0, 1], how much of what a guess might be lies within `NEAR` of what it is.
        known: (1, 1, V, U) in [0, 1], 1 where nothing is guessed: where a reference shows the same, or a hint tells.
        accepted: how likely that reference has to do with the picture, 0 if it was refused; None if that was not asked.
    """

    lightness: Tensor
    ab: Tensor
    sure: Tensor
    known: Tensor
    accepted: float | None = None

    @property
    def confidence(self) -> Tensor:
        """Return how sure the colours are, (1, 1, V, U): at most `MOST_IF_GUESSED` where guessed, 1 where known."""
        return self.known + (1 - self.known) * MOST_IF_GUESSED * self.sure


def learned(lightness: Tensor, see: See, guess: Guess) -> View:
    """Colour a view by what the network learned: the means of its guesses, sharpened by `TEMPERATURE`."""
    grey = grey_of(lightness)
    share = (guess(grey, *see(grey)).float() / TEMPERATURE).softmax(1)
    bins = colours_of(cells_in_gamut()).to(share)
    ab = torch.einsum("nbhw,bc->nchw", share, bins)
    near = (torch.cdist(bins, ab[0].flatten(1).T) <= NEAR).view_as(share)
    return View(
        lightness,
        _enlarged(ab, lightness),
        _enlarged((share * near).sum(1, keepdim=True), lightness),
        torch.zeros_like(lightness),
    )


def exemplar(lightness: Tensor, reference: Tensor, see: See, guess: Guess) -> View:
    """Colour a view by a reference, CIELab (1, 3, v, u), where it shows the same, and else by what was learned."""
    return corrected(learned(lightness, see, guess), match(see, lightness, reference))


def corrected(guess: View, matched: Matched) -> View:
    """Correct a guess by what a reference says of the same view; one that is refused changes nothing."""
    if not matched.accepted:
        return replace(guess, accepted=0.0)
    trust, ab = (_enlarged(part, guess.lightness) for part in (matched.trust, matched.ab))
    # Trust spreads as the colours do, so that it tells where they went.
    told = torch.cat([ab - guess.ab, trust], 1)
    better, known = spread(told, TRUST_WEIGHT * trust, guess.lightness, PRIOR_HOLD).split([2, 1], 1)
    return replace(guess, ab=guess.ab + better, known=known.clamp(0, 1), accepted=matched.accepted)


def transfer(lightness: Tensor, reference: Tensor) -> View:
    """Give each level of lightness the mean colour that the reference, CIELab (1, 3, v, u), has at its like.

    Levels are alike if as large a share of the pixels is darker: histograms of lightness are matched, after Welsh et
    al., *Transferring Color to Greyscale Images* (SIGGRAPH 2002), without neighbourhoods.
    """
    order = reference[0, 0].flatten().argsort()
    ab = reference[0, 1:].flatten(1)[:, order]
    table = F.avg_pool1d(F.adaptive_avg_pool1d(ab[None], LEVELS), 5, 1, 2, count_include_pad=False)
    own = F.interpolate(table, ab.shape[-1], mode="nearest")
    near = ((ab - own).norm(dim=1, keepdim=True) <= NEAR).float()
    table = torch.cat([table, F.adaptive_avg_pool1d(near, LEVELS)], 1)  # (1, 3, LEVELS)
    values = lightness.flatten()
    ordered = values.sort().values
    rank = (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)) / 2
    at = (rank / len(values) * LEVELS - 0.5).clamp(0, LEVELS - 1.001)
    below = at.long()
    found = torch.lerp(table[..., below], table[..., below + 1], at - below).view(1, 3, *lightness.shape[-2:])
    return View(lightness, found[:, :2], found[:, 2:], torch.zeros_like(lightness))


def _enlarged(plane: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(plane, like.shape[-2:], mode="bilinear", antialias=True, align_corners=False)


@dataclass(frozen=True, slots=True)
class Points:
    """Hints as tensors.

    Attributes:
        x, y: (1, n), pixels of the picture.
        ab: (1, 2, 1, n).
        lightness: (1, 1, 1, n), of the picture there.
        size_hw: of the picture.
    """

    x: Tensor
    y: Tensor
    ab: Tensor
    lightness: Tensor
    size_hw: tuple[int, int]

    @classmethod
    def of(cls, hints: Sequence[Hint], pixels: Tensor, size_hw: tuple[int, int]) -> Points:
        """Return hints for a picture whose pixels there are `pixels`, sRGB (1, 3, 1, n)."""
        colours = torch.tensor([hint.rgb for hint in hints]).T[None, :, None] / 255
        x, y = torch.tensor([[hint.x for hint in hints]]), torch.tensor([[hint.y for hint in hints]])
        return cls(x, y, lab_of(colours)[:, 1:], lab_of(pixels)[:, :1], size_hw)


def hinted(view: View, points: Points) -> tuple[Colours, View]:
    """Return the colours of a view, corrected so that the points have theirs, and their like around them.

    With the corrected view, in which what points say is known.
    """
    _, _, v, u = view.lightness.shape
    height, width = points.size_hw
    y, x = torch.meshgrid(torch.arange(v), torch.arange(u), indexing="ij")
    at_y, at_x = (points.y[0] + 0.5) * (v / height) - 0.5, (points.x[0] + 0.5) * (u / width) - 0.5
    off = torch.hypot(y[..., None] - at_y, x[..., None] - at_x)  # (V, U, n)
    near = torch.exp(-2 * (off / HINT_RADIUS_PX).square()) * (off <= HINT_RADIUS_PX)
    weight = near.sum(-1)[None, None]
    missing, ab, colours = torch.zeros_like(points.ab), view.ab, Colours.of(view.lightness, view.ab)
    for _ in range(HINT_ROUNDS):
        missing = (
            missing + points.ab - colours.at_places(points.lightness, points.x, points.y, points.size_hw)
        )
        wanted = torch.einsum("vun,cn->cvu", near, missing[0, :, 0])[None] / weight.clamp_min(1e-6)
        ab = view.ab + spread(wanted, HINT_WEIGHT * weight, view.lightness, HINT_HOLD)
        colours = Colours.of(view.lightness, ab)
    told = spread(1 - view.known, HINT_WEIGHT * weight, view.lightness, HINT_HOLD)
    return colours, replace(view, ab=ab, known=(view.known + told).clamp(0, 1))
