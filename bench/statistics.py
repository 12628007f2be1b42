"""Means with intervals, the hash of the pictures measured, and where results are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

RESULTS = Path("bench/results")


def summary(values: Sequence[float] | npt.NDArray[np.floating]) -> dict[str, float]:
    """Return mean, bootstrap 95 % interval (1,000 draws, seed 0), smallest and largest."""
    samples = np.asarray(values, np.float64)
    rng = np.random.default_rng(0)
    means = rng.choice(samples, (1000, len(samples))).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    figures = {"mean": samples.mean(), "low": low, "high": high, "min": samples.min(), "max": samples.max()}
    return {name: round(float(value), 4) for name, value in figures.items()} | {"n": len(samples)}


def paired(scores: Mapping[str, Sequence[float]], ours: str) -> dict[str, dict[str, float]]:
    """Return what `ours` gains over each other method, picture by picture: a `summary` of the differences.

    Methods that were measured on other pictures (another number of them) are left out.
    """
    return {
        method: summary(np.subtract(scores[ours], values).tolist())
        for method, values in scores.items()
        if method != ours and len(values) == len(scores[ours])
    }


@dataclass(frozen=True, slots=True)
class Ratio:
    """What became of a quantity, as new / old.

    Attributes:
        median: of the ratios of all pairs.
        low, high: its 95 % interval.
        pairs: how many there were.
    """

    median: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def ratio_of(old: Sequence[float], new: Sequence[float]) -> Ratio:
    """Return the median ratio of pairs, new / old, with a bootstrap 95 % interval (1,000 draws, seed 0).

    Raises:
        ValueError: there are no pairs, or as many old values as new ones are not there.
    """
    if not old or len(old) != len(new):
        raise ValueError(f"{len(old)} old and {len(new)} new values make no pairs")
    ratios = np.divide(new, old)
    medians = np.median(np.random.default_rng(0).choice(ratios, (1000, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return Ratio(float(np.median(ratios)), float(low), float(high), len(ratios))


def pixel_hash(arrays: Iterable[np.ndarray]) -> str:
    """Return the SHA-256 over the bytes of all arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def write(name: str, result: dict[str, Any]) -> None:
    """Store a suite's result as bench/results/<name>.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
