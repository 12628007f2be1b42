"""Measure grain and paper of any width where a picture is flat.

Estimators of white noise see next to nothing of noise that neighbours share. In the flattest places of a photograph,
once slopes are taken out, hardly anything varies but grain, paper, mosaics and screens; dark, middle and light places
are looked at apart. In a picture without flat places this measures texture, so something else must judge first that
the picture is noisy.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from photorestore.stages.preprocess.noise import shrunk

Floats = npt.NDArray[np.float32]

SIDE_PX = 16
FLAT_SHARE = 0.12
"""Share of the dark, the middle and the light places each, those of least texture, that is measured."""
FLAT_QUANTILE = 0.15
"""The quantile of their variances that counts; higher ones are more often texture."""
LEAST_PLACES = 8


def surface_of(blocks: Floats) -> float:
    """Return the deviation of grain or paper in samples (N, 3, B, B), B a multiple of 16; the mean over channels.

    Waves of up to some 12 px count. Grain differs with density: the median of dark, middle and light places is taken.
    """
    places = _places(blocks)
    flat = places.reshape(len(places), 3, -1)
    texture = _texture(places)
    found = []
    for part in np.array_split(np.argsort(flat.mean(axis=(1, 2)), kind="stable"), 3):
        count = max(LEAST_PLACES, int(FLAT_SHARE * len(part)))
        flattest = part[np.argsort(texture[part], kind="stable")[:count]]
        found.append(float(np.quantile(_variances(flat[flattest]), FLAT_QUANTILE)) if len(part) else 0.0)
    return float(np.sqrt(np.median(found)))


def _variances(flat: Floats) -> Floats:
    """Variances (n,) of places (n, 3, pixels) around the plane that fits each channel best."""
    planes = _planes(SIDE_PX)
    variances: Floats = np.square(flat - (flat @ planes.T) @ planes).mean(axis=(1, 2))
    return variances


def _places(blocks: Floats) -> Floats:
    """The samples, cut to `SIDE_PX`: (n, 3, 16, 16)."""
    count, channels, side, _ = blocks.shape
    cuts = side // SIDE_PX
    places = blocks.reshape(count, channels, cuts, SIDE_PX, cuts, SIDE_PX).transpose(0, 2, 4, 1, 3, 5)
    return places.reshape(-1, channels, SIDE_PX, SIDE_PX)


def _texture(places: Floats) -> Floats:
    """Variance (n,) over the means of 4x4 px, which noise hardly enters."""
    texture: Floats = shrunk(places, 4).reshape(len(places), 3, -1).var(axis=2).sum(axis=1)
    return texture


@cache
def _planes(side: int) -> Floats:
    """An orthonormal base of all planes over a square: (3, side * side)."""
    slope = np.linspace(-1, 1, side)
    slope /= np.sqrt(side * np.square(slope).sum())
    planes = np.stack(np.broadcast_arrays(np.full((side, side), 1 / side), slope, slope[:, None]))
    return planes.reshape(3, -1).astype(np.float32)
