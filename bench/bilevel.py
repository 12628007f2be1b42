"""Pictures of one bit: halftones of a portrait, a silhouette; (H, W) bool, true = white."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage import data

from bench.pictures import Mask, Rng


def portrait() -> npt.NDArray[np.float64]:
    """Return a portrait, (420, 420) in [0, 1]: Eileen Collins, NASA, public domain, as scikit-image ships it."""
    grey = cv2.cvtColor(data.astronaut()[:280, 90:370], cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (420, 420), interpolation=cv2.INTER_CUBIC) / 255


def ordered_halftone(_rng: Rng) -> Mask:
    """Screen the portrait by Bayer's matrix."""
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    tone = portrait()
    h, w = tone.shape
    return tone > np.tile((matrix + 0.5) / 64, (-(-h // 8), -(-w // 8)))[:h, :w]


def diffused_halftone(_rng: Rng) -> Mask:
    """Screen the portrait by Floyd and Steinberg's error diffusion."""
    return np.asarray(Image.fromarray((portrait() * 255).astype(np.uint8)).convert("1"))


def clustered_halftone(_rng: Rng) -> Mask:
    """Screen the portrait in dots at 45 degrees, as newspapers print."""
    tone = portrait()
    rows, columns = np.mgrid[0 : tone.shape[0], 0 : tone.shape[1]] * (2 * math.pi / 8)
    return tone > 0.5 + 0.25 * (np.cos(rows + columns) + np.cos(rows - columns))


def silhouette(_rng: Rng) -> Mask:
    """Return a horse, as scikit-image ships it."""
    return data.horse().astype(bool)


BILEVEL: dict[str, Callable[[Rng], Mask]] = {
    made.__name__: made for made in (ordered_halftone, diffused_halftone, clustered_halftone, silhouette)
}
