"""Take off a print's corners, edges and emulsion, and spill specks and ink on it."""

from __future__ import annotations

import torch
from torch import Tensor

from training.degradations import strokes
from training.degradations.fields import smooth_noise
from training.degradations.prints.emulsion import Layer, lift
from training.degradations.sources import PrintSources
from training.randomness import chance, log_uniform, randint, uniform


def cut(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Take off a corner, or wear or deckle an edge; what lies below the print shows."""
    h, w = image.shape[-2:]
    rows, columns = torch.arange(h).float()[:, None], torch.arange(w).float()[None]
    inward = [rows, h - 1 - rows, columns, w - 1 - columns]
    first, second = randint(0, 2, rng), randint(2, 4, rng)
    if chance(0.5, rng):
        lean = uniform(0.5, 2, rng)
        depth, reach = inward[first] + lean * inward[second], log_uniform(6, 150, rng)
    else:
        depth, reach = inward[first if chance(0.5, rng) else second].expand(h, w), log_uniform(0.5, 20, rng)
    ragged = 0.4 * reach * (smooth_noise(h, w, uniform(8, 40, rng), rng) - 0.5)
    ragged = ragged + uniform(0.5, 5, rng) * (smooth_noise(h, w, uniform(2, 6, rng), rng) - 0.5)
    cover = (reach + 2 * ragged - depth + 0.5).clamp(0, 1)
    return lift(image, cover, rng)


def flaked(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Take off patches of emulsion with ragged rims."""
    h, w = image.shape[-2:]
    field = smooth_noise(h, w, uniform(8, 60, rng), rng) + uniform(0.1, 0.6, rng) * smooth_noise(
        h, w, uniform(2, 6, rng), rng
    )
    if chance(0.5, rng):
        field = field + 0.7 * smooth_noise(h, w, 80, rng)
    level = torch.quantile(field, 1 - log_uniform(0.002, 0.3, rng))
    return lift(image, ((field - level) * uniform(8, 40, rng) + 0.5).clamp(0, 1), rng)


def speckled(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Draw specks of .5 to 6 px by the dozen or by the hundred, bright, dark or both, in places denser."""
    h, w = image.shape[-2:]
    count = round(log_uniform(4, 250, rng) * h * w / 192**2)
    cover = strokes.dust(h, w, max(2, count), rng)[0]
    if chance(0.6, rng):
        cover = cover * (smooth_noise(h, w, uniform(15, 80, rng), rng) > uniform(0.3, 0.6, rng))
    if chance(0.3, rng):
        cover = torch.maximum(cover, strokes.hairs(h, w, randint(1, 6, rng), rng)[0])
    return lift(image, cover, rng)


def inked(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Draw a few blots with hard rims: ink, rust, mould, or drops that took the tone away."""
    h, w = image.shape[-2:]
    rows, columns = torch.arange(h).float()[:, None], torch.arange(w).float()[None]
    cover = torch.zeros((h, w))
    for _ in range(randint(1, 6, rng)):
        radius = log_uniform(1.5, 18, rng)
        distance = torch.hypot(
            rows - uniform(0, h, rng), (columns - uniform(0, w, rng)) * uniform(0.6, 1.6, rng)
        )
        ragged = radius * (0.5 + smooth_noise(h, w, max(2.0, radius / 2), rng))
        blot = ((ragged - distance) / uniform(0.5, 2.5, rng) + 0.5).clamp(0, 1)
        if chance(0.25, rng):  # a drop that dried leaves a ring
            blot = blot * (distance > ragged - uniform(1, 4, rng))
        cover = torch.maximum(cover, blot)
    return lift(image, cover, rng)
