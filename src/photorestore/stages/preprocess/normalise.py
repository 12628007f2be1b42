"""Normalise colour cast, fading and contrast by classical means, on request.

Everything is one tone curve per channel, so it is applied to the integer plane by a lookup table, without tiles and
without floats. All of it is bounded: a sunset stays warm, fog stays soft.

1. Cast: gains per channel bring the shades of grey (Finlayson and Trezzi, 2004) together; at most `GAIN` away from
   one, and only by `TRUST` of what was found.
2. Contrast: the luma between its `TAIL` quantiles is stretched towards [0, 1], the same line for all channels, so
   that hues stay; slope at most `SLOPE`. Values beyond the ends are bent, not cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from photorestore.pixels.bands import strips
from photorestore.pixels.luma import LUMA, luma_of
from photorestore.pixels.region import find_region
from photorestore.stages.preprocess.views import VIEW_PX, shown_view
from photorestore.workspace import Array

GAIN = 1.35
TRUST = 0.8
TAIL = 0.005
SLOPE = 2.2
BLACK, WHITE = 0.02, 0.98
KNEE = 0.06

Curves = npt.NDArray[np.float64]


def normalise(image: Array, cast: Sequence[float] | None, alpha: Array | None = None) -> None:
    """Correct cast, fading and contrast of a writable plane (3, H, W) in place, border and all.

    Args:
        cast: as `estimates.estimate` found it; None leaves colours alone, as for grey pictures.
        alpha: the plane (1, H, W): transparent pixels do not count.
    """
    region = find_region(image, alpha)
    view = shown_view(region.of(image), None if alpha is None else region.of(alpha), VIEW_PX)
    apply_curves(image, tone_curves(view, cast))


def tone_curves(
    view: npt.NDArray[np.uint8], cast: Sequence[float] | None = None, levels: int = 1024
) -> Curves:
    """Return the curves that normalise a picture, (3, levels): output in [0, 1] for inputs evenly over [0, 1].

    Args:
        view: the picture, or some of its pixels: (3, h, w) or (3, n).
        cast: three factors minus one by which a channel exceeds grey; None leaves colours alone.
    """
    gains = np.ones(3) if cast is None else _gains(cast)
    balanced = (view * gains.reshape(3, *[1] * (view.ndim - 1))).clip(0, 255).astype(np.uint8)
    low, high = np.quantile(luma_of(balanced.astype(np.float32)), (TAIL, 1 - TAIL)) / 255
    slope, offset = _line(float(low), float(high))
    inputs = np.linspace(0, 1, levels)
    return _shoulder(slope * np.outer(gains, inputs) + offset)


def apply_curves(image: Array, curves: Curves) -> None:
    """Send every value of a writable plane (3, H, W) through its channel's curve, in place."""
    full_scale = np.iinfo(image.dtype).max
    inputs = np.linspace(0, 1, curves.shape[1])
    values = np.arange(full_scale + 1) / full_scale
    for channel, curve in zip(image, curves, strict=True):
        table = np.round(np.interp(values, inputs, curve) * full_scale).astype(image.dtype)
        for rows in strips(*channel.shape):
            channel[rows] = table[channel[rows]]


def _gains(cast: Sequence[float]) -> npt.NDArray[np.float64]:
    """Gains per channel that keep a grey's luma."""
    gains = (1 + np.asarray(cast, np.float64)) ** -TRUST
    return (gains / np.dot(LUMA, gains)).clip(1 / GAIN, GAIN)


def _line(low: float, high: float) -> tuple[float, float]:
    """Return slope and offset that bring [low, high] towards [BLACK, WHITE]; contrast never falls.

    Where the slope is at its bound, the range that is left over is split as it was before, so dark stays dark.
    """
    low_goal, high_goal = min(low, BLACK), max(high, WHITE)
    lost = (low - low_goal) + (high_goal - high)
    if high - low < 0.02 or lost == 0:
        return 1.0, 0.0
    slope = min((high_goal - low_goal) / (high - low), SLOPE)
    slack = high_goal - low_goal - slope * (high - low)
    start = low_goal + slack * (low - low_goal) / lost
    return slope, start - slope * low


def _shoulder(curves: Curves) -> Curves:
    """Bend ends that leave [0, 1] so that they reach just 0 and 1; rising everywhere, so detail stays apart."""
    return 1 - _bend_top(1 - _bend_top(curves))


def _bend_top(curves: Curves) -> Curves:
    knee = 1 - KNEE
    top = curves.max(axis=1, keepdims=True)
    excess = np.maximum(1.0, (top - knee) / KNEE)  # slope at the knee, where the bend starts without a corner
    share = ((curves - knee) / np.maximum(top - knee, 1e-9)).clip(0, 1)
    bent = knee + KNEE * excess * share / (1 + (excess - 1) * share)
    return np.where((curves > knee) & (top > 1), bent, curves)
