"""Estimate what is wrong with a picture, from a fixed subsample: noise, blur, fading, cast, JPEG compression.

Samples are taken inside the picture's border, where it is opaque (`pixels/region.py`). Sizes and thresholds were tuned
on training photographs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from photorestore.pixels.bands import strips
from photorestore.pixels.luma import luma_of
from photorestore.pixels.region import blocks_of, find_region
from photorestore.stages.preprocess.compression import artefacts_of, jpeg_quality
from photorestore.stages.preprocess.findings import Estimates
from photorestore.stages.preprocess.flat_places import surface_of
from photorestore.stages.preprocess.noise import find_noise, unclipped
from photorestore.stages.preprocess.views import VIEW_PX, shown_view
from photorestore.workspace import Array

Floats = npt.NDArray[np.float32]

BLOCK_PX = 32
"""Side of the square samples at native resolution."""
BLOCKS_PER_SIDE = 16
"""At most so many samples along a side."""
JPEG_QUALITY = 30
"""Up to this quality a JPEG counts as noisy."""
FULL_FADING = 0.4
"""Geometric mean of the lost shares of black and white that counts as fading 1."""
FADED = 0.75
"""From this fading on a picture counts as faded."""
GREY_255 = 4
"""Channels that differ by no more count as equal."""


def estimate(
    image: Array,
    quantisation: Sequence[int] | None = None,
    *,
    alpha: Array | None = None,
) -> Estimates:
    """Measure a plane (3, H, W).

    Args:
        quantisation: the upload's first JPEG quantisation table, or None.
        alpha: the picture's plane `alpha`, (1, H, W).
    """
    one_colour = is_one_colour(image)
    region = find_region(image, alpha)
    image = region.of(image)
    shown = None if alpha is None else region.of(alpha)
    blocks = blocks_of(image, shown, BLOCK_PX, BLOCKS_PER_SIDE)
    alive = None if blocks is None else unclipped(blocks)
    noise = (0.0, 0.0, False) if blocks is None or alive is None else find_noise(blocks, alive)
    sigma_255, grain_255, is_noisy = noise
    quality = None if quantisation is None else jpeg_quality(quantisation)
    view = shown_view(image, shown, VIEW_PX)
    fading = _fading(view)
    is_grey = _is_grey(view)
    gradient_255 = 0.0 if blocks is None else _gradient(blocks)
    artefacts_255 = None if quantisation is None else round(artefacts_of(quantisation, is_grey=is_grey), 2)
    return Estimates(
        region=region.as_tuple(),
        sigma_255=round(sigma_255, 2),
        grain_255=round(grain_255, 2),
        surface_255=0.0 if alive is None else round(surface_of(alive), 2),
        noisy=is_noisy or (quality is not None and quality <= JPEG_QUALITY),
        jpeg_quality=quality,
        artefacts_255=artefacts_255,
        gradient_255=round(gradient_255, 2),
        blur=0.0 if blocks is None else round(_blur(blocks), 3),
        fading=round(fading, 3),
        faded=fading >= FADED,
        cast=_cast(view),
        is_grey=is_grey,
        one_colour=one_colour,
    )


def is_one_colour(image: Array) -> bool:
    """Return whether all pixels of a plane (3, H, W) are equal; one row mostly shows that they are not."""
    first = image[:, :1, :1]
    parts = (image[:, rows] for rows in (slice(0, 1), *strips(*image.shape[1:])))
    return all(bool((part == first).all()) for part in parts)


def _is_grey(view: npt.NDArray[np.uint8]) -> bool:
    """Return whether the channels of 99 % of the pixels (3, ...) are about equal."""
    spread = np.bincount((view.max(axis=0) - view.min(axis=0)).ravel(), minlength=256)
    return bool(_quantile_of(spread, 0.99) <= GREY_255)


def _quantile_of(counts: npt.NDArray[np.intp], share: float) -> float:
    """Return what `np.quantile` gives for values of which each, from 0, occurs so often."""
    upto = counts.cumsum()
    place = share * (int(upto[-1]) - 1)
    low, high = (int(np.searchsorted(upto, round(at), "right")) for at in (np.floor(place), np.ceil(place)))
    return low + (high - low) * (place % 1)


def _gradient(blocks: Floats) -> float:
    """Return the mean gradient of green, which serves as well as luma here."""
    green = blocks[:, 1]
    return float(np.abs(np.diff(green, axis=1)).mean() + np.abs(np.diff(green, axis=2)).mean())


def _blur(blocks: Floats) -> float:
    """Return how little of the variation between neighbours another blur takes away: 0 to 1."""
    green = blocks[::2, 1]
    return max(_blur_along(green), _blur_along(green.swapaxes(1, 2)))


def _blur_along(samples: Floats) -> float:
    taps = 9
    width = samples.shape[2] - taps + 1
    blurred = samples[..., :width].copy()
    for tap in range(1, taps):
        blurred += samples[..., tap : tap + width]
    blurred /= taps
    inner = samples[..., taps // 2 : -(taps // 2)]
    before, after = np.abs(np.diff(inner)), np.abs(np.diff(blurred))
    total = float(before.sum())
    return 1.0 if total == 0 else 1 - float(np.maximum(0, before - after).sum()) / total


def _fading(view: npt.NDArray[np.uint8]) -> float:
    """Return how much of both ends of the scale is lost: a night scene keeps its black, snow keeps its white."""
    black, white = np.quantile(luma_of(view.astype(np.float32)), (0.005, 0.995)) / 255
    return min(1.0, float(np.sqrt(black * (1 - white))) / FULL_FADING)


def _cast(view: npt.NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return the cast by shades of grey (Finlayson and Trezzi, 2004) with Minkowski norm 6."""
    levels = (np.arange(256) / 255) ** 6
    counts = [np.bincount(channel.ravel(), minlength=256) for channel in view]
    norms = np.array([(levels @ count / count.sum()) ** (1 / 6) for count in counts])
    cast = (norms / max(float(norms.mean()), 1e-6) - 1).astype(np.float32)
    red, green, blue = (round(float(value), 3) for value in cast)
    return red, green, blue
