"""Pictures of layouts drawn by chance are read as their formats say, in 8 bits and in 16 alike.

LAYOUTS=2000 draws so many; where `imagecodecs` is installed, `tifffile` confirms that each TIFF holds what was drawn.
"""

import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from photorestore.imaging import open_picture
from photorestore.imaging.tiff.layout import layout_of
from photorestore.imaging.tiff.samples import colour_rows
from tests.layouts import Drawn, draw_tiff, upright
from tests.layouts_other import draw_jpeg, draw_png

COUNT = int(os.environ.get("LAYOUTS", "100"))
PARTS = 10


def read(upload: bytes) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Colours (H, W, 3 | 4) and alpha (H, W) as integers, and their bits; of CMYK the inks."""
    picture = open_picture(upload)
    header = picture.header
    height, width = header.upright_hw
    image = np.zeros((3, height, width), f"uint{header.bits}")
    alpha = np.zeros((1, height, width), image.dtype) if header.has_alpha else None
    picture.decode(image, alpha)
    colours = np.moveaxis(image, 0, -1)
    if header.mode.startswith("CMYK"):
        inks = [rows for _, rows, _ in colour_rows(upload, layout_of(upload))]
        colours = upright(np.concatenate(inks), header.orientation)
    return colours.astype(int), None if alpha is None else alpha[0].astype(int), header.bits


def check(drawn: Drawn) -> None:
    colours, alpha, bits = read(drawn.upload)
    most = (1 << bits) - 1
    assert bits == drawn.bits, drawn.name
    assert np.abs(colours - drawn.colours * most).max() <= 1, drawn.name
    assert (alpha is None) == (drawn.alpha is None), drawn.name
    if alpha is not None and drawn.alpha is not None:
        assert np.abs(alpha - drawn.alpha * most).max() <= 1, drawn.name


def draw(index: int) -> Drawn:
    rng = np.random.default_rng([16, index])
    return (draw_tiff, draw_tiff, draw_png, draw_jpeg)[index % 4](rng)


@pytest.mark.parametrize("part", range(PARTS))
def test_each_layout_is_read_as_its_format_says(part: int) -> None:
    for index in range(part, COUNT, PARTS):
        check(draw(index))


@pytest.mark.parametrize("part", range(PARTS))
def test_another_reader_finds_what_was_drawn(part: int) -> None:
    pytest.importorskip("imagecodecs")
    tifffile = pytest.importorskip("tifffile")
    for index in range(part, COUNT, PARTS):
        drawn = draw(index)
        if drawn.stored is None:
            continue
        page = tifffile.TiffFile(io.BytesIO(drawn.upload)).pages[0]
        found = np.moveaxis(page.asarray(), 0, -1) if page.axes.startswith("S") else page.asarray()
        found = found.reshape(drawn.stored.shape)
        np.testing.assert_array_equal(found, drawn.stored, err_msg=drawn.name)


@pytest.mark.parametrize("draw_one", [draw_tiff, draw_png])
def test_both_depths_of_a_layout_are_read_alike(draw_one: Callable[..., Any]) -> None:
    for index in range(COUNT // 2):
        values = np.random.default_rng(index).integers(0, 256, (9, 9, 6), np.uint8)
        shallow, deep = (draw_one(np.random.default_rng([17, index]), bits, values) for bits in (8, 16))
        colours, alpha, _ = read(shallow.upload)
        deep_colours, deep_alpha, bits = read(deep.upload)
        unit = 257 if bits == 16 else 1
        most = (
            2 if "photometric 6" in shallow.name else 1
        )  # colours lie about 128 of 255, but 127.5 * 257 of 65535
        assert np.abs(deep_colours / unit - colours).max() <= most, shallow.name
        assert (alpha is None) == (deep_alpha is None), shallow.name
        if alpha is not None and deep_alpha is not None:
            np.testing.assert_array_equal(deep_alpha, alpha * unit, err_msg=shallow.name)


def test_layouts_of_all_kinds_are_drawn() -> None:
    names = " ".join(draw(index).name for index in range(100))
    for word in (
        "planes",
        "tiles",
        "big",
        "differences",
        "zstd",
        "lzma",
        "12 bits",
        "photometric 6",
        "lacks_end",
    ):
        assert word in names
