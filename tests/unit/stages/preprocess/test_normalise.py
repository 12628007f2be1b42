"""Classical normalisation: gentle, bounded, rising everywhere."""

import numpy as np
import pytest

from photorestore.stages.preprocess.estimates import estimate
from photorestore.stages.preprocess.normalise import GAIN, SLOPE, apply_curves, normalise, tone_curves
from photorestore.stages.preprocess.views import view_of
from tests.conftest import make_photo


def plane(seed: int = 0) -> np.ndarray:
    return np.ascontiguousarray(make_photo(120, 160, seed).transpose(2, 0, 1))


def faded(image: np.ndarray) -> np.ndarray:
    return (image * 0.35 + 90).astype(np.uint8)


def full_scale() -> np.ndarray:
    return np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, 0)


def test_a_picture_of_full_contrast_without_cast_is_left_alone() -> None:
    image = full_scale()
    normalise(image, [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(image, full_scale())


def test_fading_is_taken_back() -> None:
    image = faded(full_scale())
    assert estimate(image).faded
    normalise(image, None)
    assert estimate(image).fading < 0.4


def test_a_cast_is_lessened_but_not_turned_round() -> None:
    image = plane()
    image[2] = image[2] * 0.7
    before = estimate(image).cast
    normalise(image, before)
    after = estimate(image).cast
    assert before[2] < after[2] <= 0.05


def test_grey_stays_grey_without_a_cast() -> None:
    image = faded(full_scale())
    normalise(image, None)
    assert (image == image[:1]).all()


@pytest.mark.parametrize("cast", [None, [0.9, -0.5, -0.4], [-0.9, 0.9, 0.0]])
@pytest.mark.parametrize("low_high", [(0, 255), (100, 140), (0, 60), (200, 255), (128, 128)])
def test_curves_rise_stay_in_range_and_are_bounded(
    cast: list[float] | None, low_high: tuple[int, int]
) -> None:
    view = np.linspace(*low_high, 256 * 3).reshape(3, 16, 16).astype(np.uint8)
    curves = tone_curves(view, cast)
    steps = np.diff(curves, axis=1) * 1023
    assert (steps > 0).all()
    assert steps.max() <= SLOPE * GAIN + 1e-6
    assert curves.min() >= -1e-9
    assert curves.max() <= 1 + 1e-9


def test_dark_stays_dark() -> None:
    night = (full_scale() * 0.2).astype(np.uint8)
    normalise(night, None)
    assert night.mean() < 80


def test_16_bits_follow_the_same_curve() -> None:
    image = faded(plane())
    deep = image.astype(np.uint16) * 257
    curves = tone_curves(view_of(image, 512))
    apply_curves(image, curves)
    apply_curves(deep, curves)
    assert np.abs(deep / 257 - image).max() <= 0.51
