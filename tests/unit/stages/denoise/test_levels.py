import math
from dataclasses import replace

import pytest

from bench.sound import SOUND
from photorestore.stages.denoise.levels import MOST_ASSUMED_255, level_of
from photorestore.stages.preprocess.findings import PreprocessFindings


def found(
    sigma_255: float,
    artefacts_255: float | None = None,
    grain_255: float = 0.0,
    surface_255: float = 0.0,
    *,
    noisy: bool = False,
) -> PreprocessFindings:
    return replace(
        SOUND,
        sigma_255=sigma_255,
        grain_255=grain_255,
        surface_255=surface_255,
        artefacts_255=artefacts_255,
        gradient_255=7.5625,
        noisy=noisy,
    )


def test_the_callers_level_counts_whatever_was_found() -> None:
    assert level_of(found(20, 10), 0.0).sigma_255 == 0
    assert level_of(found(20, 10), 3.0).origin == "given"


@pytest.mark.parametrize(
    ("estimates", "is_grainy", "sigma_255", "origin"),
    [
        (found(12), False, 12, "estimated"),
        (found(0, 10), False, 10, "estimated from the JPEG's table"),
        (found(12, 9), False, 15, "estimated from noise and the JPEG's table"),
        (found(12, grain_255=14), True, 12, "estimated"),  # white noise in a photograph
        (found(3, grain_255=13), True, 13, "estimated"),  # grain wider than a pixel
        (
            found(3, grain_255=13),
            False,
            4,
            "assumed: less was found",
        ),  # nobody says that it is noise: texture
        (found(12, grain_255=30), False, 12, "estimated"),
        (found(3, 9, grain_255=12), True, 15, "estimated from noise and the JPEG's table"),
        (found(3, 9, grain_255=8), True, math.hypot(3, 9), "estimated from the JPEG's table"),
        (found(1, grain_255=6), True, 4, "assumed: less was found"),  # texture
        (found(0), False, 4, "assumed: less was found"),
        (found(1, 1), False, 4, "assumed: less was found"),
    ],
)
def test_noise_and_artefacts_add_up(
    estimates: PreprocessFindings, is_grainy: bool, sigma_255: float, origin: str
) -> None:
    level = level_of(estimates, is_grainy=is_grainy)
    assert level.sigma_255 == pytest.approx(sigma_255)
    assert level.origin == origin
    assert str(level) == f"sigma {sigma_255:.1f} of 255, {origin}"


SURFACE = "estimated from coarse grain or the paper's surface"


@pytest.mark.parametrize(
    ("estimates", "is_grainy", "sigma_255", "origin"),
    [
        (found(1.5, surface_255=12), True, 12, SURFACE),
        (found(1.5, 5, surface_255=12), True, 12, SURFACE),
        (found(10, surface_255=27, noisy=True), False, 10, "estimated"),  # nobody says that it is grain
        (found(9, surface_255=12), True, 9, "estimated"),  # white noise
        (found(1.5, 11, surface_255=12), True, math.hypot(1.5, 11), "estimated from the JPEG's table"),
    ],
)
def test_coarse_grain_counts_where_the_picture_is_judged_noisy(
    estimates: PreprocessFindings, is_grainy: bool, sigma_255: float, origin: str
) -> None:
    level = level_of(estimates, is_grainy=is_grainy)
    assert level.sigma_255 == pytest.approx(sigma_255)
    assert level.origin == origin


def test_less_is_assumed_in_a_busy_picture() -> None:
    assumed = [
        level_of(replace(found(0), gradient_255=gradient)).sigma_255 for gradient in (0.0, 4.0, 9.0, 25.0)
    ]
    assert assumed[0] == MOST_ASSUMED_255
    assert assumed == sorted(assumed, reverse=True)
    assert assumed[-1] < 3


def test_nothing_is_assumed_where_the_picture_counts_as_noisy() -> None:
    coarse = found(0, 2, noisy=True)
    assert level_of(coarse).sigma_255 == 2
    tiny = replace(found(0, noisy=True), gradient_255=0.0)
    assert level_of(tiny).sigma_255 == MOST_ASSUMED_255
