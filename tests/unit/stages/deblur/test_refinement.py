"""A PSF that is about right is refined."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.blur_words import Blur
from photorestore.networks.runner import load_runner
from photorestore.pixels.psf import draw
from photorestore.stages.deblur.psf_fitting import agreement
from photorestore.stages.deblur.refinement import ROUNDS, STEPS, refined
from tests.blurs import blurred, scene


def test_a_psf_that_is_about_right_becomes_more_like_the_true_one() -> None:
    fields = load_runner("denoise_csf")
    psf = F.pad(draw(Blur("motion", (9.0, 30.0))), (2,) * 4)
    rough = F.pad(draw(Blur("motion", (7.0, 55.0))), (3,) * 4)
    seen = blurred(scene(150), psf)
    found = refined(seen, rough, lambda image, sigma: fields(image, sigma, clamps=False), 0.01)
    assert found.shape == psf.shape
    assert float(found.sum()) == pytest.approx(1)
    assert agreement(found, psf) > agreement(rough, psf) + 0.05


def test_the_denoiser_is_told_falling_levels_down_to_the_noise() -> None:
    told: list[float] = []

    def denoise(image: Tensor, sigma: Tensor) -> Tensor:
        assert image.shape[:2] == (1, 3)
        told.append(round(255 * float(sigma), 2))
        return image

    point = torch.zeros(5, 5)
    point[2, 2] = 1
    refined(scene(40), point, denoise, 4 / 255)
    assert len(told) == ROUNDS * STEPS
    assert told[:STEPS] == sorted(told[:STEPS], reverse=True)
    assert (told[0], told[STEPS - 1]) == (49, 4)


def test_what_a_wrong_psf_makes_of_the_picture_stays_within_what_a_denoiser_takes() -> None:
    def denoise(image: Tensor, _: Tensor) -> Tensor:
        assert -0.5 <= float(image.min()) <= float(image.max()) <= 1.5
        return 3 * image

    assert refined(scene(60), torch.ones(9, 9) / 81, denoise, 0.01).isfinite().all()


def test_it_can_be_stopped() -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        refined(scene(40), torch.ones(5, 5) / 25, lambda image, _: image, 0.01, stop)  # type: ignore[arg-type]
