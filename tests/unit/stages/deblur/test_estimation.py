"""A blur is found in the picture."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from photorestore.blur_words import Blur
from photorestore.pixels.psf import draw
from photorestore.stages.deblur.blind import LEAST_PX, find_blur
from photorestore.stages.deblur.estimation import agreement, estimate


def scene(side_px: int) -> torch.Tensor:
    """Overlapping rectangles of all sizes: edges and nothing else."""
    rng = np.random.default_rng(3)
    image = np.full((side_px, side_px), 0.5, np.float32)
    for _ in range(120):
        (y, x), (h, w) = rng.integers(0, side_px, 2), rng.integers(4, side_px // 4, 2)
        image[y : y + h, x : x + w] = rng.random()
    return torch.from_numpy(image)


def blurred(image: torch.Tensor, psf: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    whole = F.conv2d(image[None, None], psf.flip(0, 1)[None, None])[0, 0]
    return whole + 0.005 * noise[: whole.shape[0], : whole.shape[1]]


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


def test_psfs_agree_wherever_they_lie() -> None:
    psf = F.pad(draw(Blur("motion", (5.0, 0.0))), (4,) * 4)
    assert agreement(psf, psf.roll((2, -1), (0, 1))) == pytest.approx(1, abs=1e-4)
    assert agreement(psf, psf.T.contiguous()) < 0.6


def test_a_small_picture_has_no_blur_that_can_be_trusted() -> None:
    found = find_blur(np.zeros((3, LEAST_PX - 1, 400), np.uint8))
    assert "too small" in found.problem


def test_it_can_be_stopped() -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        estimate(scene(60), stop, largest_px=9)  # type: ignore[arg-type]
