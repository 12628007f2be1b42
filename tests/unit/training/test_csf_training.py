"""Learning the cascade of shrinkage fields: stage after stage, then together, from planes with their level."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.stages.denoise.opponents import planes_of
from tests.conftest import make_photo
from training.config import read_config
from training.train_csf import Config, depth_of, evaluate, make_sample


@pytest.fixture(scope="module")
def config() -> Config:
    return read_config(Config, Path("training/configs/denoise_csf.fast.toml"))


@pytest.mark.parametrize("stages", [1, 4, 5])
def test_stages_learn_one_after_the_other_and_then_together(stages: int) -> None:
    found = [depth_of(step / 100, stages, 0.6) for step in range(100)]
    alone = [(stage, stage + 1) for stage in range(stages)]
    assert list(dict.fromkeys(found)) == ([*alone, (0, stages)] if stages > 1 else alone)
    for pair in alone if stages > 1 else []:
        assert found.count(pair) == pytest.approx(60 / stages, abs=1)
    assert found[60:] == 40 * [(0, stages)]


def test_a_run_that_goes_on_trains_all_stages_from_the_beginning() -> None:
    assert depth_of(0.0, 5, 0.0) == (0, 5)


def samples(config: Config, count: int = 60) -> list[tuple[Tensor, ...]]:
    photos = [torch.from_numpy(make_photo(160, 200)).permute(2, 0, 1)]
    rng = torch.Generator().manual_seed(0)
    return [make_sample(photos, config, rng) for _ in range(count)]


def test_samples_are_planes_with_noise_of_the_level_that_is_told(config: Config) -> None:
    ratios = []
    for lq, gt, sigma, _ in samples(config):
        assert lq.shape == gt.shape == (1, config.patch_px, config.patch_px)
        ratios.append(float((lq - gt).std() / sigma))
    assert min(ratios) > 0.9
    assert max(ratios) < 1.1


def test_levels_are_drawn_evenly_by_their_logarithm(config: Config) -> None:
    levels = torch.stack([255 * sigma for _, _, sigma, _ in samples(config, 200)]).log()
    low, high = torch.tensor([config.min_sigma_255, config.max_sigma_255]).log()
    assert float(low) <= float(levels.min()) <= float(levels.max()) <= float(high)
    assert float(levels.mean()) == pytest.approx(float(low + high) / 2, abs=0.15 * float(high - low))


def test_a_quarter_of_the_samples_are_planes_of_colour(config: Config) -> None:
    drawn = samples(config, 200)
    coloured = [bool(is_colour) for *_, is_colour in drawn]
    assert 30 <= sum(coloured) <= 70
    means = {
        flag: [float(gt.mean()) for (_, gt, _, of) in drawn if bool(of) == flag] for flag in (False, True)
    }
    assert min(means[False]) > 0.1  # brightness
    assert max(abs(mean) for mean in means[True]) < 0.4  # differences of colours, about zero
    assert any(mean < 0 for mean in means[True])


def test_the_figures_are_those_of_the_noise_where_nothing_is_removed() -> None:
    photos = [torch.from_numpy(make_photo(96, 96, seed)).permute(2, 0, 1) for seed in range(2)]
    told: list[float] = []

    def nothing(lq: Tensor, sigma: Tensor) -> Tensor:
        told.append(round(255 * float(sigma)))
        return lq

    found = evaluate(nothing, photos)  # type: ignore[arg-type]
    assert told == [25, 25, 10, 10, 50, 50, 25, 25]
    for name, figure in found.items():
        sigma = int(name.split("_")[1]) / 255
        assert figure == pytest.approx(-20 * torch.tensor(sigma).log10().item(), abs=0.2), name


def test_grey_figures_are_of_brightness_alone() -> None:
    photo = torch.from_numpy(make_photo(96, 96)).permute(2, 0, 1)
    gt = planes_of(photo[None].float() / 255)[:, :1]

    def known(lq: Tensor, _: Tensor) -> Tensor:
        return (gt + 0.1).expand(-1, 3, -1, -1) if torch.equal(lq[:, 0], lq[:, 1]) else lq

    found = evaluate(known, [photo])  # type: ignore[arg-type]
    assert found["psnr_25_grey_db"] == pytest.approx(psnr(gt + 0.1, gt)) == pytest.approx(20)
    assert found["psnr_25_colour_db"] == pytest.approx(20.17, abs=0.2)
