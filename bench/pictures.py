"""Read the standard pictures as they were published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Rng = np.random.Generator

SUFFIXES = {".bmp", ".jpg", ".png", ".webp"}

CLEAN_SETS = ("BSD100", "Urban100_sub20", "faces/ccby")
"""Clean photographs, which the service should leave as they are."""


def read_set(root: Path, name: str, limit: int | None = None) -> list[tuple[str, Pixels]]:
    """Read names and pixels (H, W, 3) of a set, sorted by name.

    Raises:
        FileNotFoundError: the folder holds no picture.
    """
    return [(file.stem, read_pixels(file)) for file in set_files(root, name)[:limit]]


def set_files(root: Path, name: str) -> list[Path]:
    """Find the pictures of a set, sorted by name.

    Raises:
        FileNotFoundError: the folder holds no picture.
    """
    files = sorted(file for file in (root / name).rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{root / name} holds no picture; see bench/README.md")
    return files


def read_pixels(file: Path) -> Pixels:
    """Read one picture as (H, W, 3)."""
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def write_beside(folder: Path, name: str, *parts: Pixels | Mask) -> None:
    """Write pictures (H, W, 3) and masks (H, W) beside one another, as one PNG; `/` in the name becomes `_`."""
    shown = [part if part.ndim == 3 else part[..., None].repeat(3, 2) * np.uint8(255) for part in parts]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(shown, 1)).save((folder / name.replace("/", "_")).with_suffix(".png"))


def is_stored_grey(file: Path) -> bool:
    """Return whether the file holds one channel (a colour file of a grey picture holds three)."""
    with Image.open(file) as picture:
        return picture.mode == "L"


def as_floats(pixels: Pixels) -> Floats:
    """Return the same picture in [0, 1]."""
    return np.divide(pixels, 255, dtype=np.float32)


def add_gaussian(pixels: Pixels, sigma_255: float, seed: int) -> Floats:
    """Add noise of a fixed seed, in [0, 1] units, neither clipped nor quantised: (H, W, 3)."""
    noise = np.random.default_rng(seed).standard_normal(pixels.shape)
    return ((pixels + sigma_255 * noise) / 255).astype(np.float32)


def as_stored(noisy: Floats) -> Pixels:
    """Clip and round to 8 bits, as a picture file holds it."""
    return (noisy * 255).clip(0, 255).round().astype(np.uint8)
