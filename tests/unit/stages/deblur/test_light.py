"""Blurs of light are undone in light, and told from those of sRGB values."""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from photorestore.blur_words import Blur
from photorestore.fidelity import psnr
from photorestore.networks.runner import load_runner
from photorestore.pixels.psf import draw
from photorestore.stages.deblur.deconvolution import Deconvolution
from photorestore.stages.deblur.explanation import misfit
from photorestore.stages.deblur.light import GAMMA, light_of, matching, values_of
from photorestore.stages.deblur.methods import quick_splitting
from tests.blurs import blurred, scene

PSF = draw(Blur("motion", (9.0, 30.0)))
FIELDS = load_runner("denoise_csf")


def denoise(image: Tensor, sigma: Tensor) -> Tensor:
    return FIELDS(image, sigma, clamps=False)


def seen(*, of_light: bool) -> Tensor:
    """The scene, blurred, (3, H, W)."""
    return blurred(scene(120), PSF, GAMMA if of_light else 1.0).clamp(0, 1).expand(3, -1, -1)


def test_values_become_light_and_values_again() -> None:
    values = torch.tensor([0.0, 0.2, 0.5, 1.0])
    torch.testing.assert_close(values_of(light_of(values)), values)
    assert float(light_of(torch.tensor(0.5))) == pytest.approx(0.2176, abs=1e-4)
    assert float(light_of(torch.tensor(-0.1))) == float(values_of(torch.tensor(-0.1))) == 0


def test_a_denoiser_sees_values_whatever_is_blurred() -> None:
    told: list[Tensor] = []

    def halve(image: Tensor, sigma: Tensor) -> Tensor:
        told.extend([image, sigma])
        return image / 2

    image, sigma = torch.full((1, 3, 4, 4), 0.6), torch.tensor([0.1])
    assert torch.equal(matching(halve, of_light=False)(image, sigma), image / 2)
    result = matching(halve, of_light=True)(light_of(image), sigma)
    torch.testing.assert_close(result, light_of(image / 2))
    torch.testing.assert_close(told[2], image)
    assert told[1] is told[3] is sigma


@pytest.mark.parametrize("of_light", [False, True])
def test_a_blur_is_undone_best_where_it_happened(of_light: bool) -> None:
    picture = seen(of_light=of_light)
    radius = len(PSF) // 2
    sharp = scene(120)[radius:-radius, radius:-radius].expand(3, -1, -1)
    inner = (..., slice(10, -10), slice(10, -10))

    def gain_db(undone_in_light: bool) -> float:
        method = quick_splitting(matching(denoise, of_light=undone_in_light))
        network = Deconvolution(PSF, method, of_light=undone_in_light)
        with torch.inference_mode():
            undone = network(picture[None], torch.zeros_like(picture[None, :1]), torch.tensor([0.01]))[0]
        assert undone.shape == picture.shape
        return psnr(undone.clamp(0, 1)[inner], sharp[inner]) - psnr(picture[inner], sharp[inner])

    assert gain_db(of_light) > gain_db(not of_light) + 1


@pytest.mark.parametrize("of_light", [False, True])
def test_what_was_blurred_leaves_less_unexplained(of_light: bool) -> None:
    picture = seen(of_light=of_light)
    right, wrong = (
        misfit(picture, PSF, denoise, 0.015, nullcontext, of_light=tried)
        for tried in (of_light, not of_light)
    )
    assert 0 < right < 0.9 * wrong


def test_it_can_be_stopped() -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        misfit(seen(of_light=True), PSF, denoise, 0.015, stop, of_light=True)  # type: ignore[arg-type]
