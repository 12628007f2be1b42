"""Mosaics that the network learns from."""

from pathlib import Path

import torch

from tests.conftest import make_photo
from training.config import read_config
from training.train_preprocess_demosaic import Config, camera_colours, make_sample, random_pattern, taken

CONFIG = read_config(Config, Path("training/configs/preprocess_demosaic.fast.toml"))


def photo(side_px: int) -> torch.Tensor:
    return torch.from_numpy(make_photo(side_px, side_px + 10)).permute(2, 0, 1)


def test_each_pixel_measures_one_colour_and_each_colour_is_measured() -> None:
    rng = torch.Generator().manual_seed(3)
    for _ in range(40):
        pattern = random_pattern(24, rng)
        assert torch.equal(pattern.sum(0), torch.ones(24, 24))
        assert (pattern.sum((1, 2)) > 0).all()


def test_grey_stays_grey_in_a_cameras_colours() -> None:
    seen = camera_colours(torch.full((3, 4, 4), 0.5), torch.Generator().manual_seed(1))
    torch.testing.assert_close(seen[0], seen[1])
    torch.testing.assert_close(seen[0], seen[2])


def test_a_mosaic_without_noise_holds_what_was_measured() -> None:
    rng = torch.Generator().manual_seed(0)
    gt, pattern = photo(24)[:, :24, :24].float() / 255, random_pattern(24, rng)
    mosaic = taken(gt, pattern, 0.0, rng)
    torch.testing.assert_close(mosaic.expand(3, -1, -1)[pattern > 0], gt[pattern > 0])


def test_samples_repeat_by_their_seed() -> None:
    first, again = (make_sample([photo(200)], CONFIG, torch.Generator().manual_seed(5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    mosaic, pattern, sigma, gt = first
    assert mosaic.shape == (1, *gt.shape[1:])
    assert pattern.shape == gt.shape == (3, CONFIG.patch_px, CONFIG.patch_px)
    assert 0 <= float(sigma) <= CONFIG.max_sigma_255 / 255
