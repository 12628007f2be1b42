"""Leave lights in the dark alone: stars, lamps, sparks.

To a detector of damage a star is a speck of dust. But dust lies on bright places as well as on dark ones, and the
blacks of prints are hardly ever black: where most of a picture is, what shines in it is a light. Longer things, such
as hairs and scratches, are damage there, too, and where they are many, specks are dust after all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photorestore.pixels.bands import bands_with_halo
from photorestore.stages.scratch.masks import ROWS, Marked, Mask
from photorestore.workspace import Array

Floats = npt.NDArray[np.float32]

DARK = 0.16
"""Half of a picture's pixels are darker than this, the mean of channels in [0, 1], where it may be one of the night. So
it was in 60 night skies that were drawn, in 85 of 1,996 photographs and in one of 218 old prints."""
GROUND = 0.25
"""What is around a light is darker than this."""
LIGHT_PX = 24
"""Longest side of a light."""
MOST = 0.5
"""Share of what was found that has to be lights: where as much is hairs and cracks, specks are dust."""
CELL_PX = 16
"""The ground is the mean of what is not marked in cells of this size."""
SAMPLED = 512
"""Pixels of a side that tell whether a picture is dark."""


def is_dark(image: Array) -> bool:
    """Return whether half of a plane (3, H, W) is darker than `DARK`."""
    step = max(1, max(image.shape[1:]) // SAMPLED)
    brightness = image[:, ::step, ::step].mean(0)
    return float(np.median(brightness)) < DARK * np.iinfo(image.dtype).max


def leave_lights(mask: Mask, image: Array) -> None:
    """Take out of a mask (1, H, W), in place, what is small and shines in the dark, if that is most of it.

    Args:
        image: the plane (3, H, W) that the mask is of.
    """
    lights = np.zeros(mask.shape[1:], np.bool_)
    for rows, around in bands_with_halo(len(lights), ROWS, LIGHT_PX):
        found = _lights(mask[0, around] > 0, image[:, around])
        lights[rows] = found[rows.start - around.start :][: rows.stop - rows.start]
    if np.count_nonzero(lights) > MOST * np.count_nonzero(mask):
        mask[0, lights] = 0


def _lights(marked: Marked, image: Array) -> Marked:
    """Return which of the marked pixels (H, W) of an image (3, H, W) belong to lights."""
    if not marked.any():
        return marked
    import pyvips  # noqa: PLC0415 - few pictures are dark

    brightness = image.mean(0, dtype=np.float32) / np.iinfo(image.dtype).max
    regions = pyvips.Image.new_from_array(marked.view(np.uint8)).labelregions().numpy()
    places = np.argwhere(marked)
    _, region = np.unique(regions[marked], return_inverse=True)
    counts = np.bincount(region)
    least, most = np.full((len(counts), 2), 1 << 30), np.zeros((len(counts), 2), np.int64)
    np.minimum.at(least, region, places)
    np.maximum.at(most, region, places)
    shines = np.bincount(region, brightness[marked]) / counts
    ground = _ground(brightness, ~marked)[tuple(((least + most) // 2 // CELL_PX).T)]
    is_light = ((most - least).max(1) < LIGHT_PX) & (ground < GROUND) & (shines > ground)
    lights = np.zeros_like(marked)
    lights[marked] = is_light[region]
    return lights


def _ground(brightness: Floats, is_known: Marked) -> Floats:
    """Return the mean of what is known in cells of `CELL_PX`: (h, w); where nothing is, 1."""
    height, width = brightness.shape
    rows, columns = np.arange(0, height, CELL_PX), np.arange(0, width, CELL_PX)

    def summed(values: Floats) -> Floats:
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)

    known = summed(is_known.astype(np.float32))
    return np.where(known > 0, summed(brightness * is_known) / np.maximum(known, 1), np.float32(1))
