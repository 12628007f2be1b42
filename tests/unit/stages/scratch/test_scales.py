"""Views at several scales, and one answer from all of them."""

import numpy as np
import pytest

from photorestore.stages.scratch import scales


def make_prob(h: int, w: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (1, h, w), dtype=np.uint16)


@pytest.mark.parametrize(
    ("height", "width", "factors"),
    [(100, 3000, ()), (800, 1100, ()), (192, 1200, (2,)), (1000, 2399, (2,)), (1050, 2400, (2, 4))],
)
def test_larger_pictures_are_looked_at_smaller_too(height: int, width: int, factors: tuple[int, ...]) -> None:
    assert scales.factors_of(height, width) == factors


def test_a_square_becomes_its_mean() -> None:
    plane = np.array([[[0, 10, 4], [20, 30, 8], [7, 7, 7]]], np.uint8)
    assert np.array_equal(scales.shrunk(plane, 2), [[[15, 6], [7, 7]]])


@pytest.mark.parametrize("h", [64, 129, 515])
def test_bands_do_not_show(h: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = make_prob(h, 37, h)
    small = scales.shrunk(plane, 4)
    probs = [make_prob(h, 37, 1), make_prob(-(-h // 2), 19, 2), make_prob(-(-h // 4), 10, 3)]
    whole, banded = (np.empty((1, h, 37), np.uint16) for _ in range(2))
    scales.fuse(probs, (1, 2, 4), whole)
    monkeypatch.setattr(scales, "BAND_ROWS", 8)
    scales.fuse(probs, (1, 2, 4), banded)
    assert np.array_equal(whole, banded)
    assert np.array_equal(scales.shrunk(plane, 4), small)


def test_one_scale_alone_comes_back_as_it_is() -> None:
    prob = make_prob(40, 50, 0)
    fused = np.empty_like(prob)
    scales.fuse([prob], (1,), fused)
    assert np.array_equal(fused, prob)


def test_what_is_sure_at_half_the_size_is_sure() -> None:
    doubtful = np.full((1, 64, 64), 20000, np.uint16)
    sure = np.full((1, 32, 32), 65000, np.uint16)
    fused = np.empty_like(doubtful)
    scales.fuse([doubtful, sure], (1, 2), fused)
    assert (fused == 65000).all()
