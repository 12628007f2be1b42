"""Grain, paper, mosaics and screens for measuring, drawn in other ways than those that the denoiser learned from.

Grain is discs of silver counted and added up as optical density; paper is threads and pits, not waves; a mosaic is the
cells nearest to scattered points; a screen is cut at four times the size and averaged. Each is of a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bench.pictures import Pixels

Drawn = npt.NDArray[np.float64]

LEVEL_255 = 14.0
"""Standard deviation of grain and paper; a mosaic's is half as much again, a screen's what the print gives."""
LIGHTEST, DARKEST = 0.02, 1.0


def grain(pixels: Pixels, diameter_px: float, rng: np.random.Generator) -> Pixels:
    """Draw discs of about this diameter, more of them where the picture is dense; grey."""
    h, w = pixels.shape[:2]
    layers = (
        _filtered(rng.standard_normal((h, w)), _disc((h, w), size * diameter_px)) for size in (0.8, 1.0, 1.2)
    )
    field = sum(layers, np.zeros((h, w)))
    density = -np.log(np.clip(pixels / 255.0, LIGHTEST, DARKEST))
    added = np.sqrt(density + 0.1) * _unit(field)[..., None]
    return _at_level(pixels, lambda share: 255 * np.exp(-density - share * added), LEVEL_255)


def linen(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw two families of threads, 6 px wide, of uneven thickness, over and under one another; lit from above left."""
    y, x = _turned(pixels.shape[:2], 0.15)
    warp, weft = np.floor(x / 6).astype(int), np.floor(y / 6).astype(int)
    over = (warp + weft) % 2 == 0
    profile = np.where(over, _round(x / 6), _round(y / 6)) * _uneven(np.where(over, warp, weft), rng)
    return _on_paper(pixels, np.diff(profile, axis=1, append=profile[:, -1:]) + 0.3 * profile)


def silk(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw fine ribs, 3.5 px apart, that run aslant and shimmer along their length."""
    h, w = pixels.shape[:2]
    _, x = _turned((h, w), 0.7)
    drift = _filtered(rng.standard_normal((h, w)), _disc((h, w), 25))
    ribs = _round(x / 3.5 + 0.35 * drift / drift.std())
    shimmer = _filtered(rng.standard_normal((h, w)), _disc((h, w), 9))
    return _on_paper(pixels, (ribs - ribs.mean()) * (1 + 0.4 * shimmer / shimmer.std()))


def honeycomb(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw pits in rows 8 px apart, each row shifted by half a pit; lit from above."""
    y, x = _turned(pixels.shape[:2], 0.05)
    y, x = (along + 0.4 * rng.standard_normal() for along in (y, x))
    nearest = np.minimum(_to_lattice(y, x, 0.0), _to_lattice(y, x, 0.5))
    depth = np.clip(1 - nearest / 0.45, 0, 1)
    return _on_paper(pixels, np.diff(depth, axis=0, append=depth[-1:]) - 0.2 * depth)


def mosaic(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw cells of some 3 px that let pass orange, green or violet, as an autochrome's starch does."""
    h, w = pixels.shape[:2]
    kinds = rng.integers(0, 3, (h // 3 + 3, w // 3 + 3))
    places = rng.uniform(0, 1, (2, *kinds.shape))
    colours = np.array([[1.0, 0.5, 0.3], [0.45, 0.8, 0.35], [0.45, 0.4, 1.0]])
    passed = np.asarray(colours[_nearest_kind((h, w), kinds, places)])
    passed = passed / passed.mean(axis=(0, 1))
    return _at_level(pixels, lambda share: pixels * (1 + share * (passed - 1)), 1.5 * LEVEL_255)


def screen(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Print with dots 4.5 px apart, the colours at angles of their own, and scan softly."""
    h, w = pixels.shape[:2]
    large = np.repeat(np.repeat(pixels / 255.0, 4, 0), 4, 1)
    printed = np.empty((h, w, 3))
    for channel, degrees in enumerate((15, 75, 0)):
        y, x = _turned((4 * h, 4 * w), np.radians(degrees) + rng.uniform(0, 0.1))
        threshold = 0.5 + 0.25 * (np.cos(2 * np.pi * x / 18) + np.cos(2 * np.pi * y / 18))
        dots = (large[..., channel] > threshold).astype(np.float64)
        printed[..., channel] = _filtered(dots.reshape(h, 4, w, 4).mean((1, 3)), _disc((h, w), 3.0))
    return _stored(0.5 * pixels + 0.5 * 255 * printed)


KINDS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "grain of 1 px": lambda pixels, rng: grain(pixels, 1.0, rng),
    "grain of 2 px": lambda pixels, rng: grain(pixels, 2.0, rng),
    "grain of 3 px": lambda pixels, rng: grain(pixels, 3.0, rng),
    "linen": linen,
    "silk": silk,
    "honeycomb": honeycomb,
    "mosaic": mosaic,
    "screen": screen,
}


def strong(pixels: Pixels) -> Pixels:
    """Permute channels (red takes green's place, green blue's) and double saturation."""
    permuted = pixels[..., [2, 0, 1]].astype(np.float64)
    luma = permuted @ np.array([0.299, 0.587, 0.114])
    return _stored(luma[..., None] + 2 * (permuted - luma[..., None]))


def _on_paper(pixels: Pixels, relief: Drawn) -> Pixels:
    """Apply a relief to the pixels: half of it shades the picture, half of it shines on it."""
    relief = _unit(relief)[..., None]
    return _at_level(pixels, lambda share: pixels * (1 + share * relief) + 64 * share * relief, LEVEL_255)


def _at_level(pixels: Pixels, add: Callable[[float], Drawn], level_255: float) -> Pixels:
    """Scale what `add` gives until it differs from the picture by this standard deviation."""
    share = 0.1
    for _ in range(4):
        share *= level_255 / max(float(np.std(_stored(add(share)) - pixels.astype(np.float64))), 1e-3)
    return _stored(add(share))


def _stored(values: Drawn) -> Pixels:
    return values.clip(0, 255).round().astype(np.uint8)


def _unit(field: Drawn) -> Drawn:
    return (field - field.mean()) / field.std()


def _round(along: Drawn) -> Drawn:
    """Return the height of round threads that lie side by side, one for each whole number."""
    return np.sqrt(np.clip(1 - (2 * (along % 1) - 1) ** 2, 0, 1))


def _uneven(threads: npt.NDArray[np.int_], rng: np.random.Generator) -> Drawn:
    """Draw the thickness of each thread."""
    return rng.uniform(0.5, 1.5, int(threads.max() - threads.min()) + 1)[threads - threads.min()]


def _turned(hw: tuple[int, int], angle: float) -> tuple[Drawn, Drawn]:
    """Return rows and columns, turned."""
    y, x = np.mgrid[: hw[0], : hw[1]].astype(np.float64)
    return np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x


def _to_lattice(y: Drawn, x: Drawn, shift: float) -> Drawn:
    """Distance to the nearest of rows and columns of points, in units of their spacing along a row."""
    rows, columns = y / (8 * np.sqrt(3)) + shift, x / 8 + shift
    dy, dx = rows - np.round(rows), columns - np.round(columns)
    return np.hypot(np.sqrt(3) * dy, dx)


def _nearest_kind(hw: tuple[int, int], kinds: npt.NDArray[np.int_], places: Drawn) -> npt.NDArray[np.int_]:
    """The kind of the nearest point, one to each square of 3 px."""
    y, x = np.mgrid[: hw[0], : hw[1]] / 3.0 + 1
    best, found = np.full(hw, np.inf), np.zeros(hw, int)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row, column = np.floor(y).astype(int) + dy, np.floor(x).astype(int) + dx
            apart = np.hypot(row + places[0][row, column] - y, column + places[1][row, column] - x)
            found = np.where(apart < best, kinds[row, column], found)
            best = np.minimum(best, apart)
    return found


def _disc(hw: tuple[int, int], diameter_px: float) -> Drawn:
    """A soft-edged disc of sum 1 about the origin of a picture that repeats."""
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in hw)
    disc = np.clip(0.5 + diameter_px / 2 - np.hypot(y[:, None], x), 0, 1)
    return disc / disc.sum()


def _filtered(field: Drawn, kernel: Drawn) -> Drawn:
    """Convolve circularly."""
    return np.fft.irfft2(np.fft.rfft2(field) * np.fft.rfft2(kernel), field.shape)
