"""Numbers drawn from a generator that the caller hands in; nothing here knows a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")


def uniform(low: float, high: float, rng: torch.Generator) -> float:
    """Return one number drawn evenly from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=rng))


def chance(probability: float, rng: torch.Generator) -> bool:
    """Return True with the given probability."""
    return uniform(0.0, 1.0, rng) < probability


def randint(low: int, high: int, rng: torch.Generator) -> int:
    """Return one integer drawn evenly from [low, high)."""
    return int(torch.randint(low, high, (), generator=rng))


def log_uniform(low: float, high: float, rng: torch.Generator) -> float:
    """Return one number from [low, high), whose logarithm is drawn evenly."""
    return math.exp(uniform(math.log(low), math.log(high), rng))


def pick(items: Sequence[Item], rng: torch.Generator) -> Item:
    """Return one of the items, all equally likely."""
    return items[randint(0, len(items), rng)]


def weighted_index(weights: Sequence[float], rng: torch.Generator) -> int:
    """Return the index of one of the weights, drawn in proportion to them; they need not add up to 1."""
    return int(torch.multinomial(torch.tensor(weights), 1, generator=rng))
