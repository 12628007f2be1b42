"""Pictures of a point spread function."""

import io

import numpy as np
import pytest
from PIL import Image

from photorestore.blur_words import as_data_url, picture_in
from photorestore.errors import UnsupportedOption
from photorestore.imaging.psf_picture import drawn, read_psf


def picture(values: np.ndarray, kind: str = "PNG") -> str:
    target = io.BytesIO()
    Image.fromarray(values).save(target, kind)
    return as_data_url(target.getvalue())


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("hw", [(5, 5), (4, 6), (1, 1), (7, 2), (127, 127)])
def test_a_picture_becomes_an_odd_square_of_sum_1(depth: type, hw: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, np.iinfo(depth).max, hw, depth, endpoint=True)
    values[0, 0] = 255
    psf = read_psf(picture(values, "PNG" if depth == np.uint8 or hw != (127, 127) else "TIFF"))
    side = max(hw) | 1
    assert psf.shape == (side, side)
    assert psf.sum() == pytest.approx(1)
    top, left = (side - hw[0]) // 2, (side - hw[1]) // 2
    inner = psf[top : top + hw[0], left : left + hw[1]]
    assert np.allclose(inner, values / values.sum(), atol=1e-4)


def test_a_drawn_psf_is_read_back() -> None:
    psf = np.random.default_rng(0).random((27, 27)).astype(np.float32)
    psf /= psf.sum()
    assert np.abs(read_psf(drawn(psf)) - psf).max() < psf.max() / 60000


def test_colours_count_by_their_luma_and_what_is_transparent_does_not() -> None:
    values = np.zeros((3, 3, 4), np.uint8)
    values[1, :2] = [(200, 200, 200, 255), (100, 100, 100, 255)]
    values[0] = (255, 255, 255, 0)
    assert np.allclose(read_psf(picture(values))[1], [2 / 3, 1 / 3, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (picture(np.zeros((5, 5), np.uint8)), "psf is a black picture"),
        (picture(np.ones((5, 200), np.uint8)), "psf is a picture of 200x5 px; expected at most 127x127"),
        (as_data_url(b"abc"), "psf is no picture"),
        (as_data_url((picture_in(picture(np.ones((64, 64), np.uint8))) or b"")[:50]), "psf is no picture"),
    ],
)
def test_what_is_no_psf_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(UnsupportedOption, match=message):
        read_psf(text)
