import pytest

from photorestore.levels import LEAST_SIGMA_255, level_of


def found(sigma_255: float, artefacts_255: float | None = None) -> dict:
    return {"sigma_255": sigma_255, "artefacts_255": artefacts_255}


def test_the_callers_level_counts_whatever_was_found():
    assert level_of(found(20, 10), 0.0).sigma_255 == 0
    assert level_of(found(20, 10), 3.0).origin == "given"


@pytest.mark.parametrize(
    ("estimates", "sigma_255", "origin"),
    [
        (found(12), 12, "estimated"),
        (found(0, 10), 10, "estimated from the JPEG's table"),
        (found(12, 9), 15, "estimated from noise and the JPEG's table"),
        (found(0), LEAST_SIGMA_255, "assumed: less was found"),
        (found(1, 1), LEAST_SIGMA_255, "assumed: less was found"),
    ],
)
def test_noise_and_artefacts_add_up(estimates, sigma_255, origin):
    level = level_of(estimates)
    assert level.sigma_255 == pytest.approx(sigma_255)
    assert level.origin == origin
    assert str(level) == f"sigma {sigma_255:.1f} of 255, {origin}"
