"""Faded prints with known truth: bench photographs, the same at every run.

    python -m bench.tone_set --data ../shared/data/bench --pictures /tmp/tone   # look at it

Prints fade as dyes and paper do, simulated in other ways than in training (`training/degradations/faded_tone.py`). A
photograph is separated into the amounts of three dyes that also absorb a little of each other's light; each dye fades
to .3 to .8, in a quarter of the prints more towards one edge; the paper yellows and darkens, stray light veils the
blacks, the scanner bends the mid-tones. One print in five is of silver and fades as a whole, one in five is brown;
their truth is grey or brown. Noise of sigma_255 up to 2; three in ten have a paper border. Stored in 8 bits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.pictures import CLEAN_SETS, Pixels, as_stored, read_set

Floats = npt.NDArray[np.float64]

EVERY = {"BSD100": 3, "Urban100_sub20": 1, "faces/ccby": 1}
"""Every n-th picture of a set."""
SEED = 70
ABSORPTION = np.array([[0.84, 0.12, 0.04], [0.16, 0.74, 0.10], [0.05, 0.20, 0.75]])
"""What light of a channel (rows) a dye (columns: cyan, magenta, yellow) absorbs; equal amounts are grey."""
STAIN = np.array([0.15, 0.4, 1.0])
KINDS = ("colour", "colour", "colour", "grey", "brown")
BROWN = np.array([0.82, 1.0, 1.3])
"""Exponents of the luma of a brown print, by channel."""


@dataclass(frozen=True, slots=True)
class FadedPicture:
    """A print as it was scanned, and as it was.

    Attributes:
        lq: (H, W, 3), border and all.
        gt: (h, w, 3), the picture alone.
        border: top, bottom, left and right, in px.
    """

    name: str
    kind: str
    lq: Pixels
    gt: Pixels
    border: tuple[int, int, int, int]

    def inside(self, pixels: Pixels) -> Pixels:
        """Cut the picture alone out of something of the size of `lq`."""
        top, _, left, _ = self.border
        h, w, _ = self.gt.shape
        return pixels[top : top + h, left : left + w, :3]


def load_tone_set(root: Path, *, every: int = 1) -> list[FadedPicture]:
    """Make the set; `every` takes only each n-th picture, which is the same as in the whole set."""
    photos = [
        (f"{name}/{picture}", pixels)
        for name in CLEAN_SETS
        for picture, pixels in read_set(root, name)[:: EVERY[name]]
    ]
    return [
        fade(name, pixels, KINDS[index % len(KINDS)], SEED + index)
        for index, (name, pixels) in list(enumerate(photos))[::every]
    ]


def fade(name: str, pixels: Pixels, kind: str, seed: int) -> FadedPicture:
    """Fade a photograph (H, W, 3)."""
    rng = np.random.default_rng(seed)
    gt = as_kind(pixels, kind)
    sides = np.array([*gt.shape[:1] * 2, *gt.shape[1:2] * 2])
    border = np.round(rng.uniform(0.03, 0.09, 4) * sides * (rng.random() < 0.3)).astype(int)
    wide = np.pad(gt / 255.0, (border[:2], border[2:], (0, 0)), constant_values=1)
    density = -np.log10(np.maximum(_to_linear(wide), 0.005))
    kept = rng.uniform(0.3, 0.8, 3) if kind == "colour" else np.full(3, rng.uniform(0.3, 0.8))
    faded = density @ np.linalg.inv(ABSORPTION).T * (1 - (1 - kept) * _place(density, rng)) @ ABSORPTION.T
    faded = faded + rng.uniform(0, 0.15) + (kind == "colour") * rng.uniform(0, 0.25) * STAIN
    veil = rng.uniform(0.005, 0.06)
    scanned = _to_srgb(10**-faded * (1 - veil) + veil) ** rng.uniform(0.85, 1.2)
    noise = rng.normal(0, rng.uniform(0, 2 / 255), scanned.shape)
    lq = as_stored((scanned + (noise if kind == "colour" else noise[..., :1])).astype(np.float32))
    return FadedPicture(name, kind, lq, gt, tuple(border.tolist()))


def as_kind(pixels: Pixels, kind: str) -> Pixels:
    """Return a photograph in colour, in grey, or in brown."""
    if kind == "colour":
        return pixels
    luma = np.rint(pixels @ np.array([0.299, 0.587, 0.114]))[..., None] / 255
    return as_stored((luma ** (BROWN if kind == "brown" else np.ones(3))).astype(np.float32))


def _place(image: Floats, rng: np.random.Generator) -> Floats:
    """How much of the fading there is, (H, W, 1): 1 everywhere, or less far from one edge."""
    h, w, _ = image.shape
    is_uneven, least, edge = rng.random() < 0.25, rng.uniform(0.2, 0.7), rng.integers(4)
    ramp = np.linspace(0, 1, (h, w)[edge % 2]) ** 1.5
    ramp = least + (1 - least) * (ramp if edge < 2 else ramp[::-1])
    shaped = ramp[:, None, None] if edge % 2 == 0 else ramp[None, :, None]
    return np.broadcast_to(shaped if is_uneven else np.ones(1), (h, w, 1))


def _to_linear(values: Floats) -> Floats:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(values: Floats) -> Floats:
    values = values.clip(0, 1)
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


def write_sheet(pictures: Sequence[FadedPicture], file: Path) -> None:
    """Write prints beside their truth."""
    rows = []
    for picture in pictures:
        pair = [
            Image.fromarray(pixels).resize((240, 200)) for pixels in (picture.inside(picture.lq), picture.gt)
        ]
        rows.append(np.hstack([np.asarray(part) for part in pair]))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(rows)).save(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/bench"))
    parser.add_argument("--pictures", type=Path, required=True)
    arguments = parser.parse_args()
    write_sheet(load_tone_set(arguments.data, every=4), arguments.pictures / "tone_set.png")
