from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photorestore.pixels import bands
from photorestore.pixels.bands import masked_bands, strips


def rows_of(slices: Iterable[slice]) -> list[int]:
    return [row for one in slices for row in range(one.start, one.stop)]


@given(height=st.integers(0, 300), rows=st.integers(1, 80), start=st.integers(0, 20))
def test_bands_cover_each_row_once_and_in_order(height: int, rows: int, start: int) -> None:
    cut = list(bands.bands(height, rows, start))
    assert rows_of(cut) == list(range(start, height))
    assert {band.stop - band.start for band in cut[:-1]} <= {rows}


@given(height=st.integers(0, 300), rows=st.integers(1, 80), halo=st.integers(0, 90))
def test_halos_are_rows_of_the_plane_around_their_bands(height: int, rows: int, halo: int) -> None:
    cut = list(bands.bands_with_halo(height, rows, halo))
    assert [band for band, _ in cut] == list(bands.bands(height, rows))
    for band, around in cut:
        assert rows_of([around]) == [
            row for row in range(height) if band.start - halo <= row < band.stop + halo
        ]


@pytest.mark.parametrize(("width", "rows"), [(1, 500_000), (1000, 500), (500_000, 1), (3_000_000, 1)])
def test_strips_have_about_as_many_pixels_whatever_the_width(width: int, rows: int) -> None:
    first = next(strips(2_000_000, width))
    assert first == slice(0, rows)


@given(data=st.data(), rows=st.integers(1, 9))
def test_masked_bands_hold_every_marked_pixel_and_no_empty_rim(data: st.DataObject, rows: int) -> None:
    h, w = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    marked = data.draw(st.sets(st.tuples(st.integers(0, h - 1), st.integers(0, w - 1))))
    mask = np.zeros((1, h, w), np.uint8)
    for row, column in marked:
        mask[0, row, column] = 255
    left = mask[0].copy()
    for band, columns in masked_bands(mask, rows):
        part = mask[0, band, columns]
        assert part[:, 0].any()
        assert part[:, -1].any()
        left[band, columns] = 0
    assert not left.any()
