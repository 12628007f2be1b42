"""Blurs that the network learns from."""

import math
from pathlib import Path

import pytest
import torch

from tests.conftest import make_photo
from training.config import read_config
from training.degradations.blurs import BLURS, blur_randomly, blurred, centred
from training.train_deblur import MARGIN_PX, Config, evaluate, make_sample


def photo(side_px: int) -> torch.Tensor:
    return torch.from_numpy(make_photo(side_px, side_px + 10)).permute(2, 0, 1)


@pytest.mark.parametrize("name", BLURS)
def test_psfs_are_centred_keep_light_and_repeat_by_their_seed(name: str) -> None:
    psf, again = (BLURS[name](torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(psf, again)
    assert psf.shape[0] == psf.shape[1]
    assert float(psf.sum()) == pytest.approx(1, abs=1e-5)
    at = torch.arange(len(psf)) - len(psf) // 2
    for axis in (0, 1):
        assert float((psf.sum(axis) * at).sum()) == pytest.approx(0, abs=1e-4)


def test_a_point_of_a_path_is_shared_out_among_four_pixels() -> None:
    psf = centred(torch.tensor([[0.25, 0.0], [-0.25, 0.0]]))
    assert torch.allclose(psf[psf > 0], torch.tensor([0.125, 0.75, 0.125]))


@pytest.mark.parametrize("is_linear", [True, False])
def test_a_point_stays_a_point_and_an_even_picture_even(is_linear: bool) -> None:
    image, point = photo(40).float() / 255, torch.zeros(5, 5)
    point[2, 2] = 1
    torch.testing.assert_close(
        blurred(image, point, is_linear=is_linear), image[:, 2:-2, 2:-2], atol=2e-3, rtol=0
    )
    even = torch.full((3, 20, 20), 0.4)
    result = blurred(even, torch.full((5, 5), 1 / 25), is_linear=is_linear)
    torch.testing.assert_close(result, even[:, 2:-2, 2:-2])


@pytest.mark.parametrize("name", BLURS)
def test_blurred_and_sharp_lie_on_each_other(name: str) -> None:
    lq, gt = blur_randomly(photo(120).float() / 255, 20, BLURS[name], torch.Generator().manual_seed(1))
    assert lq.shape == gt.shape == (3, 80, 90)
    moved = [float((lq.roll(shift, 2) - gt)[..., 5:-5].square().mean()) for shift in (-3, 0, 3)]
    assert moved[1] == min(moved)


def test_sharp_samples_are_their_own_targets() -> None:
    config = read_config(Config, Path("training/configs/deblur.fast.toml"))
    rng, photos = torch.Generator().manual_seed(0), [photo(config.patch_px + 2 * MARGIN_PX)]
    samples = [make_sample(photos, config, rng) for _ in range(24)]
    assert all(part.shape == (3, config.patch_px, config.patch_px) for sample in samples for part in sample)
    kept = [torch.equal(lq, gt) for lq, gt in samples]
    assert 2 <= sum(kept) <= 14


def test_gains_are_over_the_blurred_picture_and_sharp_ones_are_measured_as_well() -> None:
    photos = [photo(140), photo(150)]
    kept = evaluate(lambda image: image, photos)  # type: ignore[arg-type]
    assert set(kept) == {*(f"{name}_gain_db" for name in BLURS), "sharp_db", "least_sharp_db"}
    assert all(kept[f"{name}_gain_db"] == 0 for name in BLURS)
    assert kept["sharp_db"] == kept["least_sharp_db"] == math.inf
    shifted = evaluate(lambda image: image + 0.1, photos)  # type: ignore[arg-type]
    assert all(shifted[f"{name}_gain_db"] < -1 for name in BLURS)
    assert shifted["sharp_db"] == pytest.approx(20, abs=1e-3)
    assert evaluate(lambda image: image, photos) == kept  # type: ignore[arg-type]
