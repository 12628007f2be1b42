"""The options of the denoiser's training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import make_photo
from training.config import read_config
from training.degradations.levelled import mixed_noise, store_as_jpeg
from training.degradations.noise import impulses, poisson_sigma
from training.denoise_validation import psnr_by_difficulty
from training.on_demand import OnDemand
from training.train_denoise import (
    Config,
    Pictures,
    degrade,
    make_sample,
)

CONFIGS = Path("training/configs")


@pytest.fixture
def config() -> Config:
    return read_config(Config, CONFIGS / "denoise.experiment.toml")


@pytest.mark.parametrize("noise", ["gaussian", "poisson", "impulse"])
def test_a_noisy_target_is_another_draw_of_the_same_picture(config: Config, noise: str) -> None:
    gt = torch.full((3, 64, 64), 0.5)
    asked = replace(config, noise=noise, targets="noisy")
    lq, target, _ = degrade(gt, asked, (0.9, 1.0), torch.Generator().manual_seed(1))
    assert not torch.equal(lq, target)
    assert abs(float((lq - gt).std()) - float((target - gt).std())) < 0.01
    correlation = torch.corrcoef(torch.stack([(lq - gt).flatten(), (target - gt).flatten()]))[0, 1]
    assert abs(float(correlation)) < 0.05


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpegs_level_is_told_as_in_use(channels: int) -> None:
    gt = make_patch()[:channels]
    rng = torch.Generator().manual_seed(2)
    for _ in range(8):
        lq, sigma = store_as_jpeg(gt, torch.tensor(10 / 255), rng)
        assert lq.shape == (3, 64, 64)
        assert not torch.equal(lq, gt.expand(3, -1, -1))
        assert 10 < 255 * float(sigma) < 30


def test_mixed_noise_is_of_many_kinds_and_levels() -> None:
    gt, rng = make_patch(), torch.Generator().manual_seed(3)
    pairs = [mixed_noise(gt, 20 / 255, rng) for _ in range(60)]
    plain = [lq for lq, sigma in pairs if float(sigma) == pytest.approx(20 / 255)]
    assert 15 < len(plain) < 40
    assert all(float(sigma) > 0 for _, sigma in pairs)
    assert any(float(lq.min()) < 0 for lq in plain), "plain noise is not clipped"


def make_patch() -> torch.Tensor:
    return torch.from_numpy(make_photo(64, 64)).permute(2, 0, 1).float() / 255


def test_difficulty_is_strength(config: Config) -> None:
    gt = torch.full((3, 64, 64), 0.5)
    for low in (0.0, 0.4, 0.8):
        lq, target, sigma = degrade(gt, config, (low, low + 0.2), torch.Generator().manual_seed(1))
        assert torch.equal(target, gt)
        assert low * 55 / 255 <= float(sigma) < (low + 0.2) * 55 / 255
        assert float((lq - gt).std()) == pytest.approx(float(sigma), rel=0.05)


def test_the_level_of_counted_photons_follows_the_signal() -> None:
    gt = torch.cat([torch.full((3, 32, 32), 0.1), torch.full((3, 32, 32), 0.9)], dim=-1)
    sigma = poisson_sigma(gt, peak=4)
    assert sigma.shape == (1, 32, 64)
    assert float(sigma[0, 16, 8]) == pytest.approx((0.1 / 4) ** 0.5)
    assert float(sigma[0, 16, 56]) == pytest.approx((0.9 / 4) ** 0.5)


def test_impulses_hit_their_share_and_leave_the_rest() -> None:
    gt = torch.full((3, 200, 200), 0.5)
    hit = (impulses(gt, 0.25, torch.Generator().manual_seed(2)) != gt).all(0)
    assert float(hit.float().mean()) == pytest.approx(0.25, abs=0.01)


def test_samples_of_one_kind_stack(config: Config) -> None:
    photos = [torch.randint(0, 256, (3, 80, 90), dtype=torch.uint8)]
    rng = torch.Generator().manual_seed(3)
    asked = replace(config, noise="poisson")
    sigmas = [make_sample(Pictures(photos), asked, OnDemand(1), rng)[2] for _ in range(8)]
    assert {sigma.shape for sigma in sigmas} == {(1, 64, 64)}
    assert {bool((sigma < 0).all()) for sigma in sigmas} == {True, False}


def test_psnr_falls_with_difficulty(config: Config) -> None:
    class Identity(torch.nn.Module):
        def forward(self, image: torch.Tensor, _sigma: torch.Tensor) -> torch.Tensor:
            return image

    photos = [torch.full((3, 64, 64), 128, dtype=torch.uint8)]
    found = psnr_by_difficulty(Identity(), photos, config.noise, config.max_sigma_255, OnDemand(5))
    assert len(found) == 5
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"noise": "salt"}, "none of mixed, gaussian"),
        ({"targets": "old"}, "neither clean nor noisy"),
        ({"noise": "mixed", "targets": "noisy"}, "clipping and JPEG"),
        ({"loss": "l3"}, "none of l0, l1, l2"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(
    config: Config, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(config, **wrong)


def test_the_delivered_configuration_is_read() -> None:
    assert read_config(Config, CONFIGS / "denoise.fast.toml").noise == "mixed"
