"""What `deblur` makes of held-out photographs is measured wherever it lies."""

import pytest
import torch

from photorestore import pipeline
from photorestore.fidelity import psnr
from tests.blurs import scene
from training.measure_deblur import FAR_PX, SHARP, deblur, measure, moved, psnr_wherever


@pytest.fixture(scope="module")
def loaded() -> pipeline.Pipeline:
    return pipeline.load()


def photo(side_px: int) -> torch.Tensor:
    return (255 * scene(side_px)).byte().expand(3, -1, -1)


@pytest.mark.parametrize("shift", [(0, 0), (3, -8), (-2.25, 0.5)])
def test_a_picture_that_lies_elsewhere_is_moved_back(shift: tuple[float, float]) -> None:
    gt = photo(120).float() / 255
    image = (gt + 0.02 * torch.randn(gt.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert psnr_wherever(moved(image, *shift), gt) == pytest.approx(psnr_wherever(image, gt), abs=0.6)
    assert psnr_wherever(moved(image, FAR_PX + 4, 0), gt) < psnr(image, gt) - 5


def test_whole_shifts_are_those_of_whole_pixels() -> None:
    gt = photo(50).float() / 255
    torch.testing.assert_close(moved(gt, 3, -2), gt.roll((3, -2), (1, 2)), atol=1e-5, rtol=0)


def test_gains_and_losses_of_both_ways_are_told(loaded: pipeline.Pipeline) -> None:
    photos = [photo(130)]  # smaller than an estimate needs
    for kind in ("motion", SHARP):
        found = measure(loaded, photos, kind)
        assert set(found) == {"network", "auto"}
        assert found["auto"]["mean_db"] == found["network"]["mean_db"] == found["auto"]["least_db"]
        assert found["auto"]["used"] == 0
        assert found["auto"]["s"] > 0
    assert found["auto"]["mean_db"] > 35


def test_it_says_whether_an_estimate_was_used(loaded: pipeline.Pipeline) -> None:
    image, is_used = deblur(loaded, photo(60).float() / 255, "network")
    assert image.shape == (3, 60, 60)
    assert not is_used
