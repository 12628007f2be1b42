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
"""Name of the metric that says how many pictures a site has."""
Numbers = Mapping[str, np.ndarray]
"""Tensors by their names."""


MOST_MOMENTUM = 1.0
"""Norm that a site's momentum has at most: it is a running mean of gradients, each of which `Run.learn` clips to 1."""


@dataclass(frozen=True, slots=True)
class Update:
    """An answer that counts.

    Attributes:
        weights: as the site sent them.
        momentum: of its optimiser, the same.
        metrics: its number of pictures by the name `PICTURES`, and figures of its held-out ones.
    """

    weights: Numbers
    momentum: Numbers
    metrics: Mapping[str, float]


def shares_of(updates: Sequence[Update], *, by_pictures: bool) -> list[float]:
    """Return how much each site counts in a mean: by its pictures, or all alike; together 1."""
    counts = [update.metrics[PICTURES] if by_pictures else 1 for update in updates]
    return [count / sum(counts) for count in counts]


def mean_weights(
    updates: Sequence[Update], shares: Sequence[float], given: Numbers, clip: float
) -> dict[str, np.ndarray]:
    """Return the mean of weights, with the kinds of numbers that were given.

    Args:
        shares: by which the sites count.
        given: the weights that the sites began with.
        clip: norm of a site's difference, against the norm of what was given, beyond which it is scaled back.
    """
    scales = [min(1.0, clip / max(change_of(update.weights, given), 1e-30)) for update in updates]
    parts = [share * scale for share, scale in zip(shares, scales, strict=True)]
    return _moved([update.weights for update in updates], parts, given)


def mean_momentum(
    updates: Sequence[Update], shares: Sequence[float], given: Numbers
) -> dict[str, np.ndarray]:
    """Return the mean of momenta, each scaled back to `MOST_MOMENTUM`, with the kinds of numbers that were given.

    Args:
        shares: by which the sites count.
        given: the momentum that the sites began with.
    """
    scales = [min(1.0, MOST_MOMENTUM / max(norm_of(update.momentum), 1e-30)) for update in updates]
    parts = [share * scale for share, scale in zip(shares, scales, strict=True)]
    nothing = {name: np.zeros_like(values) for name, values in given.items()}
    return _moved([update.momentum for update in updates], parts, nothing)


def _moved(found: Sequence[Numbers], parts: Sequence[float], given: Numbers) -> dict[str, np.ndarray]:
    """Return what was given, moved by a part of each one's difference from it."""
    moved = {}
    for name, before in given.items():
        begin = before.astype(np.float64)
        end = sum((part * (each[name] - begin) for part, each in zip(parts, found, strict=True)), begin)
        moved[name] = (np.rint(end) if before.dtype.kind in "iu" else end).astype(before.dtype)
    return moved


def mean_metrics(updates: Sequence[Update], shares: Sequence[float]) -> dict[str, float]:
    """Return the means of the figures that all sites sent.

    Args:
        shares: by which the sites count.
    """
    common = set.intersection(*(set(update.metrics) for update in updates)) - {PICTURES}
    return {
        name: sum(share * update.metrics[name] for share, update in zip(shares, updates, strict=True))
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
    apart = {name: update[name].astype(np.float64) - values for name, values in _floating(given).items()}
    return norm_of(apart) / max(norm_of(given), 1e-15)


def norm_of(numbers: Numbers) -> float:
    """Return the norm of all floating tensors together."""
    return math.sqrt(
        sum(float(np.square(values.astype(np.float64)).sum()) for values in _floating(numbers).values())
    )


def _floating(numbers: Numbers) -> Numbers:
    return {name: values for name, values in numbers.items() if values.dtype.kind == "f"}


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
