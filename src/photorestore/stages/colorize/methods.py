"""Find the colours of a view: by what was learned from photographs, from a reference, and by hints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.hint_words import Hint
from photorestore.pixels.lab import grey_of, lab_of
from photorestore.stages.colorize.bins import cells_in_gamut, colours_of
from photorestore.stages.colorize.carrying import Colours
from photorestore.stages.colorize.matching import See, match
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

Guess = Callable[..., Tensor]
"""Guesses likelihoods of bins from a grey view and what is seen in it, see `network.ColorizeNetwork`."""


@dataclass(frozen=True, slots=True)
class View:
    """A small view of a picture with its colours.

    Attributes:
        lightness: (1, 1, V, U) in [0, 100].
        ab: (1, 2, V, U).
        trust: (1, 1, V, U) in [0, 1], how far the colours are those of a reference; None without one.
    """

    lightness: Tensor
    ab: Tensor
    trust: Tensor | None = None


def learned(lightness: Tensor, see: See, guess: Guess) -> View:
    """Colour a view by what the network learned: the means of its guesses, sharpened by `TEMPERATURE`."""
    grey = grey_of(lightness)
    share = (guess(grey, *see(grey)).float() / TEMPERATURE).softmax(1)
    ab = torch.einsum("nbhw,bc->nchw", share, colours_of(cells_in_gamut()).to(share))
    return View(lightness, _enlarged(ab, lightness))


def exemplar(lightness: Tensor, reference: Tensor, see: See, guess: Guess) -> View:
    """Colour a view by a reference, CIELab (1, 3, v, u), where it shows the same, and else by what was learned.

    Where the reference shows the same on the whole, the rest is guessed by a transfer.
    """
    matched = match(see, lightness, reference)
    trust, ab = (_enlarged(part, lightness) for part in (matched.trust, matched.ab))
    guessed = torch.lerp(learned(lightness, see, guess).ab, transfer(lightness, reference).ab, matched.alike)
    better = spread(ab - guessed, TRUST_WEIGHT * trust, lightness, PRIOR_HOLD)
    return View(lightness, guessed + better, trust)


def transfer(lightness: Tensor, reference: Tensor) -> View:
    """Give each level of lightness the mean colour that the reference, CIELab (1, 3, v, u), has at its like.

    Levels are alike if as large a share of the pixels is darker: histograms of lightness are matched, after Welsh et
    al., *Transferring Color to Greyscale Images* (SIGGRAPH 2002), without neighbourhoods.
    """
    order = reference[0, 0].flatten().argsort()
    ab = reference[0, 1:].flatten(1)[:, order]
    table = F.adaptive_avg_pool1d(ab[None], LEVELS)  # (1, 2, LEVELS)
    table = F.avg_pool1d(table, 5, 1, 2, count_include_pad=False)
    values = lightness.flatten()
    ordered = values.sort().values
    rank = (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)) / 2
    at = (rank / len(values) * LEVELS - 0.5).clamp(0, LEVELS - 1.001)
    below = at.long()
    found = torch.lerp(table[..., below], table[..., below + 1], at - below)
    return View(lightness, found.view(1, 2, *lightness.shape[-2:]))


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


def hinted(view: View, points: Points) -> Colours:
    """Return the colours of a view, corrected so that the points have theirs, and their like around them."""
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
    return colours
