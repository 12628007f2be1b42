"""A blur is found in the picture."""

import pytest
import torch
from torch.nn import functional as F

from photorestore.blur_words import Blur
from photorestore.pixels.psf import draw
from photorestore.stages.deblur.estimation import estimate
from photorestore.stages.deblur.psf_fitting import agreement
from tests.blurs import blurred, scene


def test_the_blur_of_a_picture_of_edges_is_found() -> None:
    psf = draw(Blur("motion", (7.0, 30.0)))
    found = estimate(blurred(scene(150), psf), largest_px=13)
    assert found.shape == (13, 13)
    assert float(found.sum()) == pytest.approx(1)
    assert float(found.min()) >= 0
    assert agreement(found, F.pad(psf, (2,) * 4)) > 0.85


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_an_even_picture_gives_a_psf_without_nan(value: float) -> None:
    found = estimate(torch.full((40, 50), value), largest_px=9)
    assert found.isfinite().all()
    assert float(found.sum()) == pytest.approx(1)


def test_it_can_be_stopped() -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        estimate(scene(60), stop, largest_px=9)  # type: ignore[arg-type]
