"""Training of the network that sees haze."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from photorestore.networks.runner import Runner
from photorestore.stages.weather.haze_network import Haze, HazeNetwork
from tests.conftest import make_photo
from training.config import read_config
from training.train_weather_haze import (
    Config,
    evaluate,
    large_part,
    levelled,
    lifted,
    loss_of,
    make_sample,
    shrunk,
)

SMALL = (4, 8, 8, 8, 8)


def photo(side_px: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(make_photo(side_px, side_px + 10, seed)).permute(2, 0, 1)


@pytest.fixture
def config() -> Config:
    return replace(read_config(Config, Path("training/configs/weather_haze.fast.toml")), patch_px=64)


def seen_as(share: torch.Tensor, air: torch.Tensor, presence: float) -> Haze:
    return Haze(share, air, torch.full((len(share),), presence))


def test_photographs_become_small_and_parts_of_them_stay_upright() -> None:
    small = shrunk(photo(200), 96)
    assert small.dtype == torch.uint8
    assert small.shape == (3, 96, 101)
    rows = torch.arange(96, dtype=torch.uint8).view(1, 96, 1).expand(3, 96, 101)  # brighter downwards
    for seed in range(4):
        part = large_part(rows, 64, torch.Generator().manual_seed(seed))
        assert part.shape == (3, 64, 64)
        assert bool((part.diff(dim=1) > 0).all())


def test_clear_samples_are_their_own_targets_and_hazy_ones_follow_the_model(config: Config) -> None:
    rng, photos = torch.Generator().manual_seed(0), [shrunk(photo(150), 96)]
    samples = [make_sample(photos, config, rng) for _ in range(30)]
    hazy = [sample for sample in samples if float(sample[4])]
    assert 9 <= len(hazy) <= 23
    for lq, gt, share, air, presence, known in samples:
        if not float(presence):
            assert torch.equal(lq, gt)
            assert float(share.min()) == 1
            continue
        if not float(known):
            assert float(lq.min()) == 0
            assert float(lq.max()) == 1
            continue
        assert float(air.min()) >= 0.3
        if float(share.min()) > 0.2:
            undone = lifted(lq[None], seen_as(share[None], air[None], 1.0))[0]
            assert float((undone - gt).square().mean()) < float((lq - gt).square().mean()) / 4
    assert any(torch.equal(gt[0], gt[2]) for _, gt, *_ in samples)


def test_the_truth_costs_least_and_each_error_costs(config: Config) -> None:
    rng, photos = torch.Generator().manual_seed(1), [shrunk(photo(150), 96)]
    drawn = [sample for sample in (make_sample(photos, config, rng) for _ in range(20)) if float(sample[5])]
    sample = [torch.stack(parts) for parts in zip(*drawn, strict=True)]
    share, air, presence = sample[2:5]
    sure = 20 * presence - 10
    least = float(loss_of(Haze(share.clamp_min(0.04), air, sure), sample, 0.5))
    for wrong in (Haze(share**0.5, air, sure), Haze(share, 0.8 * air, sure), Haze(share, air, -sure)):
        assert float(loss_of(wrong, sample, 0.5)) > least + 0.02


def test_stretched_levels_reach_both_ends_and_keep_the_order() -> None:
    image = 0.3 + 0.2 * torch.rand(3, 40, 50)
    stretched = levelled(image, torch.Generator().manual_seed(0))
    assert float(stretched.min()) == 0
    assert float(stretched.max()) == 1
    assert float(((stretched == 0) | (stretched == 1)).float().mean()) <= 0.021
    order = image.flatten().argsort()
    assert bool((stretched.flatten()[order].diff() >= 0).all())
    even = torch.full((3, 8, 8), 0.5)
    assert bool(torch.isfinite(levelled(even, torch.Generator().manual_seed(0))).all())


def test_share_and_air_cost_nothing_where_the_model_does_not_hold() -> None:
    sample = [torch.rand(1, 3, 64, 64)] * 2 + [torch.full((1, 1, 64, 64), 0.5), torch.ones(1, 3, 1, 1)]
    costs = []
    for known in (0.0, 1.0):
        flags = [torch.ones(1), torch.full((1,), known)]
        seen = seen_as(torch.full((1, 1, 64, 64), 0.9), torch.full((1, 3, 1, 1), 0.7), 3.0)
        costs.append(float(loss_of(seen, sample + flags, 0.5)))
    assert costs[1] - costs[0] == pytest.approx(0.2 * math.log(0.9 / 0.5) + 0.5 * 0.3, abs=1e-4)


def test_gains_are_over_the_hazy_view_and_both_answers_are_counted() -> None:
    class Blind(HazeNetwork):
        def forward(self, view: torch.Tensor) -> Haze:
            return seen_as(torch.ones_like(view[:, :1]), torch.ones(len(view), 3, 1, 1), 1.0)

    scores = evaluate(Runner(Blind(SMALL), precision="float32"), [photo(100), photo(110, 1)])
    assert scores["haze_gain_db"] == pytest.approx(0, abs=1e-3)
    assert scores["least_gain_db"] == pytest.approx(0, abs=1e-3)
    assert scores["told_share"] == 0.5
