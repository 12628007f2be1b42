import math

import pytest
import torch

from photorestore.blur_words import Blur
from photorestore.pixels.psf import draw

WORDS = ("motion:15,30", "motion:2,0", "motion:64,-75.5", "gaussian:0.3", "gaussian:1.6", "gaussian:10")
DISCS = ("defocus:0.5", "defocus:4", "defocus:24")


def psf_of(words: str) -> torch.Tensor:
    blur = Blur.parse(words)
    assert blur is not None
    return draw(blur)


def moments(psf: torch.Tensor) -> tuple[float, float, float]:
    """Variances along the columns and the rows, and covariance, with y towards the top."""
    at = torch.arange(len(psf)) - len(psf) // 2
    x, y = at[None], -at[:, None]
    return tuple(float((psf * term).sum()) for term in (x * x, y * y, x * y))  # type: ignore[return-value]


@pytest.mark.parametrize("words", [*WORDS, *DISCS])
def test_light_is_kept_and_stays_where_it_was(words: str) -> None:
    psf = psf_of(words)
    assert psf.shape[0] == psf.shape[1]
    assert len(psf) % 2 == 1
    assert psf.min() >= 0
    assert float(psf.sum()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(psf, psf.flip(0, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, -45])
def test_motion_has_its_length_and_its_angle(degrees: int) -> None:
    across, along = moments(psf_of(f"motion:24,{degrees}")), 24**2 / 12
    total = across[0] + across[1]
    assert total == pytest.approx(along + 1 / 12 + 2 / 12, rel=0.02)  # a line, its width, and pixels' own
    angle = 0.5 * math.atan2(2 * across[2], across[0] - across[1])
    assert math.degrees(angle) % 180 == pytest.approx(degrees % 180, abs=0.5)


def test_motion_along_a_row_fills_a_row() -> None:
    psf = psf_of("motion:5,0")
    row = psf[len(psf) // 2]
    torch.testing.assert_close(row[1:6], torch.full((5,), 0.2))
    assert float(psf.sum() - row.sum()) == 0


@pytest.mark.parametrize("sigma", [1.0, 1.6, 4.0])
def test_a_gaussian_has_its_deviation(sigma: float) -> None:
    across, down, both = moments(psf_of(f"gaussian:{sigma}"))
    assert across == pytest.approx(sigma**2, rel=0.01)
    assert down == pytest.approx(across, rel=1e-4)
    assert both == pytest.approx(0, abs=1e-3)


def test_a_disc_has_its_radius_and_is_even_inside() -> None:
    psf = psf_of("defocus:6")
    assert float(psf[6, 6]) == pytest.approx(1 / (math.pi * 36), rel=0.01)
    assert float(psf[6, 1]) == pytest.approx(float(psf[6, 6]))
    assert float(psf[0, 0]) == 0
    assert moments(psf)[0] == pytest.approx(6**2 / 4, rel=0.02)
