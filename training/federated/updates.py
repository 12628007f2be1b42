"""Check what a site sends, and take the mean of what counts. Nothing here knows of Flower.

A site may be broken, or ill-meant. What it sends is compared with the weights that it was given: the same names,
shapes and kinds of numbers, all finite, and not further away than a bound. Within that, a difference beyond a lower
bound is scaled back to it (Sun et al., *Can You Really Backdoor Federated Learning?*, arXiv:1911.07963). That keeps out
accidents and crude attacks, and no site moves the mean further than its share of the lower bound; an update that is bad
within it counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PICTURES = "pictures"
"""Name of the metric that is a site's weight in the mean."""
Numbers = Mapping[str, np.ndarray]
"""Tensors by their names."""


@dataclass(frozen=True, slots=True)
class Update:
    """An answer that counts.

    Attributes:
        weights: as the site sent them.
        metrics: its number of pictures by the name `PICTURES`, and figures of its held-out ones.
    """

    weights: Numbers
    metrics: Mapping[str, float]


def mean_weights(updates: Sequence[Update], given: Numbers, clip: float) -> dict[str, np.ndarray]:
    """Return the mean of weights, each site weighted by its pictures, with the kinds of numbers that were given.

    Args:
        given: the weights that the sites began with.
        clip: norm of a site's difference, against the norm of what was given, beyond which it is scaled back.
    """
    total = sum(update.metrics[PICTURES] for update in updates)
    parts = [
        update.metrics[PICTURES] / total * min(1.0, clip / max(change_of(update.weights, given), 1e-30))
        for update in updates
    ]
    mean = {}
    for name, before in given.items():
        begin = before.astype(np.float64)
        moved = sum(
            (part * (update.weights[name] - begin) for part, update in zip(parts, updates, strict=True)),
            begin,
        )
        mean[name] = (np.rint(moved) if before.dtype.kind in "iu" else moved).astype(before.dtype)
    return mean


def mean_metrics(updates: Sequence[Update]) -> dict[str, float]:
    """Return the means of the figures that all sites sent, each site weighted by its pictures."""
    common = set.intersection(*(set(update.metrics) for update in updates)) - {PICTURES}
    total = sum(update.metrics[PICTURES] for update in updates)
    return {
        name: sum(update.metrics[PICTURES] * update.metrics[name] for update in updates) / total
        for name in sorted(common)
    }


def problem_of_weights(update: Numbers, given: Numbers, most_change: float) -> str | None:
    """Say what is wrong with an update of weights; None where nothing is.

    Args:
        given: the weights that the site began with.
        most_change: bound of the norm of the difference, against the norm of what was given.
    """
    if problem := problem_of_shapes(update, given):
        return problem
    change = change_of(update, given)
    if change > most_change:
        return f"its weights are {change:.3g} of their norm away; at most {most_change:g} counts"
    return None


def problem_of_shapes(update: Numbers, given: Numbers) -> str | None:
    """Say whether names, shapes or kinds of numbers differ from those given, or a number is not finite."""
    for name in sorted(update.keys() ^ given.keys()):
        return f"{name[:80]} is {'missing' if name in given else 'not known'}"
    for name, values in update.items():
        expected = given[name]
        if values.shape != expected.shape or values.dtype != expected.dtype:
            return f"{name} is {values.dtype} {values.shape}; expected {expected.dtype} {expected.shape}"
        if not np.isfinite(values).all():
            return f"{name} holds a number that is not finite"
    return None


def change_of(update: Numbers, given: Numbers) -> float:
    """Return the norm of the difference over all floating tensors, against the norm of what was given."""
    names = [name for name, values in given.items() if values.dtype.kind == "f"]
    apart = sum(float(np.square(update[name].astype(np.float64) - given[name]).sum()) for name in names)
    norm = sum(float(np.square(given[name].astype(np.float64)).sum()) for name in names)
    return math.sqrt(apart / max(norm, 1e-30))


def problem_of_metrics(metrics: Mapping[str, object], most_pictures: int) -> str | None:
    """Say what is wrong with a site's named numbers; None where nothing is.

    Args:
        most_pictures: that a site may say it has.
    """
    pictures = metrics.get(PICTURES)
    if type(pictures) is not int or not 1 <= pictures <= most_pictures:
        return f"it says it has {pictures!r:.40} pictures; expected 1 to {most_pictures}"
    for name, value in metrics.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            return f"its metric {name[:40]} is {value!r:.40}; expected a finite number"
    return None
