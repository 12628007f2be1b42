from typing import Any

import numpy as np
import pytest
import torch

from bench import methods
from bench.report_methods import methods as render
from photorestore.blur_words import Blur
from photorestore.pixels.psf import draw
from tests.conftest import make_photo

GREY = make_photo(60, 70)[..., 0] // 2 + 60


@pytest.mark.parametrize("kind", ["salt and pepper", "random values"])
def test_impulses_have_the_density_that_they_say(kind: str) -> None:
    noisy = methods.with_impulses(GREY, 0.3, kind, seed=0)
    assert (noisy != GREY).mean() == pytest.approx(0.3, abs=0.03)
    if kind == "salt and pepper":
        assert (noisy == 0).mean() == pytest.approx(0.15, abs=0.02)
        assert set(np.unique(noisy[noisy != GREY])) == {0, 255}


def test_the_adaptive_median_replaces_black_and_white_and_nothing_else() -> None:
    noisy = methods.with_impulses(GREY, 0.5, "salt and pepper", seed=0)
    result = methods.adaptive_median(noisy)
    assert (result[noisy == GREY] == GREY[noisy == GREY]).all()
    assert np.abs(result.astype(int) - GREY).mean() < 8
    assert (methods.adaptive_median(GREY) == GREY).all()


@pytest.mark.parametrize("words", [None, "gaussian:1.2"])
def test_photons_have_the_mean_and_the_variance_of_their_peak(words: str | None) -> None:
    blur = None if words is None else Blur.parse(words)
    psf = None if blur is None else draw(blur)
    grey = np.full((80, 80), 102, np.uint8)
    noisy = methods.with_photons(grey, 25, psf, seed=0)
    assert noisy.mean() == pytest.approx(0.4, abs=0.01)
    assert noisy.var() == pytest.approx(0.4 / 25, rel=0.1)


def test_agreement_is_one_for_the_same_masks_and_none_for_others() -> None:
    mask = torch.rand(8, 8).numpy() > 0.5
    assert methods.agreement(mask, mask) == 1
    assert methods.agreement(mask, ~mask) == 0


def test_the_section_names_published_figures_as_such() -> None:
    def figures(*names: str) -> dict[str, Any]:
        one = {"mean": 1.0, "low": 0.5, "high": 1.5}
        return {
            "psnr_db": dict.fromkeys(names, one),
            "gain_over_db": dict.fromkeys(names, one),
            "f1": {"l0tv": 1, "kriging": 1},
        }

    text = render(
        {
            "set": "Set12, 1 picture",
            "crop_px": 128,
            "impulses": {"noise": {"salt and pepper, 30 %": figures("adaptive median", "l0tv", "kriging")}},
            "photons": {
                "noise": {"no blur, peak 5": figures("noisy input", "plain total variation", "poisson-tv")}
            },
            "gaussian": {
                "set": "BSD68, 1 picture",
                "psnr_db": {"25": {"mean": 28.0, "low": 27.0, "high": 29.0}},
                "published_psnr_db": methods.PUBLISHED_FIELDS,
                "parameters": 18315,
                "seconds_per_megapixel": 1.0,
                "house_db": 31.8,
                "house_published_db": methods.PUBLISHED_HOUSE,
                "house_seconds_per_megapixel": 10.0,
            },
        }
    )
    assert "| BM3D (published) | 28.57 |" in text
    assert "K-SVD 32.15 (published)" in text
    assert "| salt and pepper, 30 % | 1.00 (0.50 to 1.50) (adaptive median) |" in text
