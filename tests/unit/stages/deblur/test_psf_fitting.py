"""A PSF is fitted to gradients, and cleaned."""

import pytest
import torch
from torch.nn import functional as F

from photorestore.blur_words import Blur
from photorestore.pixels.optics import fast_length
from photorestore.pixels.psf import draw
from photorestore.stages.deblur.psf_fitting import (
    agreement,
    centred,
    cleaned,
    fitted_psf,
    gradients_of,
    likeness_to_lens,
    steepness_of,
    widths,
    wrapping,
)
from tests.blurs import scene


def test_the_psf_between_sharp_and_blurred_gradients_is_found_whatever_lies_at_the_borders() -> None:
    sharp, psf = scene(90), draw(Blur("motion", (7.0, 30.0)))
    radius = len(psf) // 2
    seen = F.conv2d(F.pad(sharp[None, None], (radius,) * 4), psf.flip(0, 1)[None, None])[0, 0]
    seen[:2] = 0.7
    found = cleaned(fitted_psf(gradients_of(sharp), gradients_of(seen), 13, 0.01))
    wanted = F.pad(psf, ((13 - len(psf)) // 2,) * 4)
    assert agreement(found, wanted) > 0.98
    assert float((found - wanted).abs().max()) < 0.05


def test_a_heavier_weight_spreads_the_psf() -> None:
    sharp = gradients_of(scene(60))
    light, heavy = (fitted_psf(sharp, sharp, 9, weight) for weight in (0.0, 1e4))
    assert float(light[4, 4]) == pytest.approx(1, abs=0.1)
    assert float(heavy.abs().max()) < 0.1


def test_so_many_gradients_of_each_direction_are_steeper() -> None:
    gradients = torch.randn(2, 40, 40, generator=torch.Generator().manual_seed(0))
    kept = gradients.square().sum(0) >= steepness_of(gradients, 50)
    angle = torch.atan2(gradients[0], gradients[1]).remainder(torch.pi)
    counts = [int(kept[(angle * 4 / torch.pi).floor() == sector].sum()) for sector in range(4)]
    assert min(counts) == 50
    assert steepness_of(gradients, 10**4) == 0


def test_psfs_agree_wherever_they_lie() -> None:
    psf = F.pad(draw(Blur("motion", (5.0, 0.0))), (4,) * 4)
    assert agreement(psf, psf.roll((2, -1), (0, 1))) == pytest.approx(1, abs=1e-4)
    assert agreement(psf, psf.T.contiguous()) < 0.6


def test_faint_values_and_small_islands_are_no_part_of_a_psf() -> None:
    psf = torch.zeros(9, 9)
    psf[2:5, 2] = 1
    psf[3, 3] = 0.04  # faint
    psf[7, 7] = 0.2  # an island
    psf[8, 0] = -1
    found = cleaned(psf)
    assert torch.allclose(found[2:5, 2], torch.full((3,), 1 / 3))
    assert float(found.sum()) == pytest.approx(1)
    assert int((found > 0).sum()) == 3
    assert float(cleaned(-torch.ones(3, 3))[1, 1]) == 1  # nothing is left but a point


def test_the_centre_of_gravity_is_moved_to_the_middle() -> None:
    psf = torch.zeros(7, 7)
    psf[0, 1] = psf[0, 3] = 0.5
    assert centred(psf)[3].tolist() == [0, 0, 0.5, 0, 0.5, 0, 0]


@pytest.mark.parametrize("size_hw", [(30, 41), (3, 50)])
def test_a_picture_is_lengthened_to_a_fast_size_and_repeats_smoothly(size_hw: tuple[int, int]) -> None:
    image = torch.linspace(0, 1, size_hw[1]).expand(size_hw)
    longer = wrapping(image, 10)
    assert torch.equal(longer[: size_hw[0], : size_hw[1]], image)
    assert longer.shape[1] == fast_length(size_hw[1] + 10)
    assert float((longer[:, 0] - longer[:, -1]).abs().max()) < 0.15


@pytest.mark.parametrize(
    ("blur", "across_px", "along_px"),
    [
        (Blur("defocus", (4.0,)), 2.0, 2.0),  # half its radius
        (Blur("gaussian", (1.5,)), 1.5, 1.5),
        (Blur("motion", (15.0, 0.0)), 0.0, 15 / 12**0.5),
        (Blur("motion", (15.0, 37.0)), 0.3, 15 / 12**0.5),
    ],
)
def test_how_wide_a_psf_is_does_not_depend_on_where_it_lies(
    blur: Blur, across_px: float, along_px: float
) -> None:
    psf = F.pad(draw(blur), (3, 0, 0, 3))
    assert widths(psf) == pytest.approx((across_px, along_px), abs=0.15)


def test_a_point_has_no_width() -> None:
    assert widths(torch.ones(1, 1)) == (0, 0)


@pytest.mark.parametrize("blur", [Blur("defocus", (4.0,)), Blur("defocus", (1.5,)), Blur("gaussian", (1.5,))])
def test_psfs_of_lenses_are_known_wherever_they_lie(blur: Blur) -> None:
    psf = F.pad(draw(blur), (5, 3, 3, 5))
    assert likeness_to_lens(psf) > 0.95


def test_a_line_is_not_that_of_a_lens() -> None:
    assert likeness_to_lens(draw(Blur("motion", (15.0, 30.0)))) < 0.6
    assert likeness_to_lens(torch.ones(1, 1)) == pytest.approx(1)
