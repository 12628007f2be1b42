"""Measure a picture's grain, and give it to what was filled or refined.

What a network fills is smooth, and in a grainy print it looks like plastic. Unlike texture, grain is everywhere, in all
directions and widths. So squares of `CELL_PX`, minus their slow course, are cut into bands of frequency and direction;
the level at a place is a low quantile of each band over the squares around it that are about as light. The squares
that show little more than that level tell how grain correlates between pixels and channels. Noise that correlates
likewise is made once, over `PERIOD_PX`, from a fixed seed. Each pixel gets as much of it as it lacks. Only its place in
the picture decides which: the same picture gets the same grain, and tiles do not show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from photorestore.pixels.bands import bands, masked_bands
from photorestore.pixels.grain_texture import PERIOD_PX, texture_of
from photorestore.pixels.luma import luma_of
from photorestore.pixels.squares import CELL_PX, frequency_bands, split, transform, without_plane
from photorestore.workspace import Array

Floats = npt.NDArray[np.float32]

BLOCK_PX = 64
"""Side of the blocks that have one level each."""
REACHES = (1, 2)
"""The level comes from the cells of the block and of so many blocks around it; the lower of the two counts."""
TONES = 6
"""Classes of luma, between which grain differs."""
QUANTILE = 0.1
LEAST_CELLS = 12
"""Fewer cells than this do not tell a level."""
FLOOR_255 = 3.5
"""Grain of a smaller standard deviation is hardly seen, and cannot be told from texture and JPEG artefacts: three in
four clean training photographs show less."""
ABOVE_USUAL = 1.4
"""A tone's level above this many times that of all tones is texture: grain is much the same in all tones."""
CLIPPED = 0.02
"""Cells with a larger share of clipped pixels are left out."""
RIM_PX = 10
"""Within this distance of sound pixels no more grain is given than they show."""
SAMPLE = 400
ALIKE = 2.0
"""The texture is taken from at most `SAMPLE` cells, whose strength is within the factor `ALIKE` of the level."""
BAND_PX = 512


@dataclass(frozen=True, slots=True)
class Grain:
    """The grain of a picture.

    Attributes:
        levels: (blocks down, blocks across, TONES), standard deviation of the luma in 8-bit units.
        texture: (3, PERIOD_PX, PERIOD_PX), noise whose luma has a standard deviation of 1.
    """

    levels: Floats
    texture: Floats

    @classmethod
    def of(cls, image: Array, mask: Array | None = None, most_255: float = 255.0) -> Grain | None:
        """Find the grain of a picture (3, H, W); None where none can be seen.

        Args:
            mask: (1, H, W); what it marks is left out.
            most_255: the part of a level above this is taken for texture.
        """
        energies, tones = _cells(image, mask)
        levels = _levels(energies, tones, mask)
        levels = np.minimum(levels, np.float32(most_255))
        seen = (levels * (2 * levels / FLOOR_255 - 2).clip(0, 1)).astype(np.float32)
        return cls(seen, texture_of(_samples(image, energies, tones, levels))) if seen.any() else None

    def add(self, target: Array, weight: Array, strength: float = 1.0) -> None:
        """Give a picture, of the size of the one that was looked at, the grain that it lacks, in place.

        Args:
            target: (3, H, W), writable.
            weight: (1, H, W) uint8: 0 leaves a pixel as it is, 255 gives it all of the grain.
            strength: 0 to 1, times the weight of every pixel.
        """
        full = np.float32(np.iinfo(target.dtype).max)
        for rows, marked in masked_bands(weight, BAND_PX):
            columns = slice(max(0, marked.start - RIM_PX), min(target.shape[2], marked.stop + RIM_PX))
            values = target[:, rows, columns].astype(np.float32) * (255 / full)
            share = weight[0, rows, columns].astype(np.float32) * np.float32(strength / 255)
            luma = luma_of(values)
            lacking = self._lacking(luma, share > 0, rows, columns) * share
            at = np.ix_(
                np.arange(3), *(np.arange(part.start, part.stop) % PERIOD_PX for part in (rows, columns))
            )
            grainy = ((values + lacking * self.texture[at]) * (full / 255)).clip(0, full).round()
            np.copyto(target[:, rows, columns], grainy.astype(target.dtype), where=lacking > 0)

    def _lacking(self, luma: Floats, marked: npt.NDArray[np.bool_], rows: slice, columns: slice) -> Floats:
        """Return the standard deviation of the grain that marked pixels lack, in 8-bit units."""
        wanted = self._level_at(luma, rows, columns)
        gain = _fine(luma_of(self.texture)).std()
        square = _fine(luma) ** 2
        present = _mean_of(square, marked, 9)
        at_rim = _mean_of(square, ~marked, 2 * RIM_PX + 1)  # nan far from sound pixels
        wanted = np.fmin((wanted * gain) ** 2, ABOVE_USUAL**2 * at_rim)
        lacking: Floats = np.sqrt(np.where(marked, wanted - present, 0).clip(0)) / gain
        return lacking

    def _level_at(self, luma: Floats, rows: slice, columns: slice) -> Floats:
        """The level of every pixel, by its block and its luma."""
        down, across = (np.arange(part.start, part.stop) // BLOCK_PX for part in (rows, columns))
        tone = (luma * np.float32(TONES / 256) - np.float32(0.5)).clip(0, TONES - 1)
        low = tone.astype(np.intp)
        first, second = (
            self.levels[down[:, None], across[None], tones] for tones in (low, np.minimum(low + 1, TONES - 1))
        )
        level: Floats = first + (tone - low) * (second - first)
        return level


def _cells(image: Array, mask: Array | None) -> tuple[Floats, Floats]:
    """Measure every whole cell: the variation of its luma, and its mean luma.

    Returns:
        Mean squares by band (h, w, bands) and luma (h, w), in 8-bit units; nan where the mask marks any of the cell,
        or much of it is clipped.
    """
    _, h, w = image.shape
    rows, columns = h // CELL_PX, w // CELL_PX
    energies = np.full((rows, columns, len(frequency_bands())), np.nan, np.float32)
    tones = np.full((rows, columns), np.nan, np.float32)
    scale = np.float32(255 / np.iinfo(image.dtype).max)
    for band in bands(rows, BAND_PX // CELL_PX):
        part = slice(band.start * CELL_PX, band.stop * CELL_PX), slice(0, columns * CELL_PX)
        luma = split(luma_of(image[:, *part].astype(np.float32) * scale)[None])[0]
        is_sound = ((luma < 1) | (luma > 254)).mean(axis=-1) <= CLIPPED
        if mask is not None:
            is_sound &= ~split(mask[:, *part])[0].any(axis=-1)
        energies[band][is_sound] = (without_plane(luma[is_sound]) @ transform()) ** 2 @ frequency_bands().T
        tones[band] = np.where(is_sound, luma.mean(axis=-1), np.nan)
    return energies, tones


def _levels(energies: Floats, tones: Floats, mask: Array | None) -> Floats:
    """Return the level of each block and tone, 0 where the mask marks nothing: (blocks down, blocks across, TONES)."""
    side = BLOCK_PX // CELL_PX
    h, w = tones.shape
    down, across = h // side + 2, w // side + 2  # the picture's last pixels belong to no whole cell
    levels = np.zeros((down, across, TONES), np.float32)
    classes = tones * np.float32(TONES / 256) - np.float32(0.5)
    for row, column in np.ndindex(down, across):
        if mask is not None and not mask[0, _block(row), _block(column)].any():
            continue
        near, far = (
            tuple(slice(max(0, (at - reach) * side), (at + reach + 1) * side) for at in (row, column))
            for reach in REACHES
        )
        levels[row, column] = _by_tone(energies[far], classes[far])
        if np.isfinite(classes[near]).sum() >= LEAST_CELLS:
            levels[row, column] = np.minimum(levels[row, column], _by_tone(energies[near], classes[near]))
    return levels


def _block(at: int) -> slice:
    return slice(at * BLOCK_PX, (at + 1) * BLOCK_PX)


def _by_tone(energies: Floats, classes: Floats) -> Floats:
    """Return each tone's level from the cells around a block; not far above that of all tones but the darkest."""
    all_tones = _level(energies[classes > 0])
    alike = [energies[np.abs(classes - tone) <= 1] for tone in range(TONES)]
    found = [_level(cells) if len(cells) >= LEAST_CELLS else all_tones for cells in alike]
    return np.minimum(found, ABOVE_USUAL * all_tones).astype(np.float32)


def _level(energies: Floats) -> float:
    """Return the level of cells (n, bands); 0 if they are too few to tell."""
    if len(energies) < LEAST_CELLS:
        return 0.0
    return float(np.sqrt((_low_quantile(energies) / _low_share()).sum()))


def _low_quantile(values: Floats) -> Floats:
    """Return `np.quantile(values, QUANTILE, axis=0)` of two and more; of a block's few cells in a fifth of the time."""
    low, share = divmod(QUANTILE * (len(values) - 1), 1)
    below, above = np.partition(values, (int(low), int(low) + 1), axis=0)[int(low) : int(low) + 2]
    quantile: Floats = (
        below + (above - below) * np.float32(share)
        if share < 0.5
        else above - (above - below) * np.float32(1 - share)
    )
    return quantile


@cache
def _low_share() -> Floats:
    """Return low quantile over mean of each band's energy in pure grain (Wilson and Hilferty, 1931)."""
    spread = 2 / (9 * (frequency_bands() > 0).sum(axis=1))
    share: Floats = ((1 - spread - 1.2816 * np.sqrt(spread)) ** 3).astype(np.float32)
    return share


def _samples(image: Array, energies: Floats, tones: Floats, levels: Floats) -> Floats:
    """Return cells that show little but grain, minus their slow course: (n, 3, CELL_PX**2), luma of deviation 1.

    They are scaled together: scaled each by itself, JPEG artefacts in the colours of a flat cell would count most.
    """
    side = BLOCK_PX // CELL_PX
    h, w = tones.shape
    classes = np.nan_to_num(tones * np.float32(TONES / 256)).astype(np.intp).clip(0, TONES - 1)
    level = levels[np.arange(h)[:, None] // side, np.arange(w)[None] // side, classes]
    excess = np.abs(np.log(np.sqrt(energies.sum(axis=-1)).clip(1e-3) / level.clip(1e-3)))
    order = np.argsort(np.where(np.isfinite(excess), excess, np.inf), axis=None, kind="stable")
    count = max(int((excess <= np.log(ALIKE)).sum()), min(LEAST_CELLS, int(np.isfinite(excess).sum())))
    chosen = order[: min(SAMPLE, count)]
    cells = np.stack(
        [image[:, y : y + CELL_PX, x : x + CELL_PX]
         for y, x in zip(chosen // w * CELL_PX, chosen % w * CELL_PX, strict=True)]
    ).astype(np.float32)  # fmt: skip
    residual = without_plane(cells.reshape(len(cells), 3, -1))
    luma = luma_of(residual.swapaxes(0, 1)).std()
    return residual / np.maximum(luma, 1e-6)


def _fine(luma: Floats) -> Floats:
    """Return what a mean over 5x5 pixels takes away."""
    return luma - _mean(luma, 5)


def _mean_of(values: Floats, chosen: npt.NDArray[np.bool_], side: int) -> Floats:
    """Return the mean over the chosen pixels of the square around each pixel; nan where none is chosen."""
    weight = chosen.astype(np.float32)
    share = _mean(weight, side)
    return np.divide(_mean(values * weight, side), share, out=np.full_like(share, np.nan), where=share > 1e-4)


def _mean(values: Floats, side: int) -> Floats:
    """Return the mean over squares of an odd `side`; border pixels are repeated outwards."""
    for axis in (0, 1):
        length, width = values.shape[axis], [(0, 0), (0, 0)]
        width[axis] = (side // 2 + 1, side // 2)
        sums = np.cumsum(np.pad(values, width, mode="edge"), axis=axis, dtype=np.float64)
        last, first = (np.take(sums, range(at, at + length), axis=axis) for at in (side, 0))
        values = ((last - first) / side).astype(np.float32)
    return values
