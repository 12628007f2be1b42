"""The experiments: one option is changed at a time, and figures stand under the level that they belong to."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conftest import make_photo
from training import experiments
from training.config import read_config
from training.denoise_validation import Denoise
from training.place import Place
from training.train_denoise import Config


@pytest.fixture
def base() -> Config:
    return read_config(Config, Path("training/configs/denoise.experiment.toml"))


@pytest.fixture
def photos() -> list[Tensor]:
    return [torch.from_numpy(make_photo(64, 64, seed)).permute(2, 0, 1) for seed in range(2)]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Config]:
    """Configurations of the trainings that were asked for, by name; what they give removes nothing."""
    asked: dict[str, Config] = {}

    def fit(_: Place, name: str, config: Config) -> Denoise:
        asked[name] = config
        return lambda image, sigma: image

    monkeypatch.setattr(experiments, "fit", fit)
    return asked


def differing(first: Config, second: Config) -> set[str]:
    one, other = asdict(first), asdict(second)
    return {name for name in one if one[name] != other[name]}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("targets", {"targets", "loss"}),
        ("losses", {"targets", "loss"}),
        ("poisson", {"targets"}),
        ("sampler", {"difficulty_levels"}),
    ],
)
def test_runs_differ_in_what_is_compared_alone(
    name: str, options: set[str], base: Config, photos: list[Tensor], trained: dict[str, Config]
) -> None:
    experiments.EXPERIMENTS[name](Place(), base, photos)
    first, *others = trained.values()
    assert len(others) >= 1
    found = set().union(*(differing(first, other) for other in others))
    assert found <= options
    assert all(differing(first, other) for other in others)


def test_levels_of_gaussian_noise_have_the_figures_of_their_sigma(
    base: Config, photos: list[Tensor], trained: dict[str, Config]
) -> None:
    found = experiments.targets(Place(), base, photos)
    assert set(found) == set(trained)
    for figures in found.values():
        assert list(figures) == ["sigma_255 15", "sigma_255 25", "sigma_255 50"]
        assert figures["sigma_255 15"] == pytest.approx(24.6, abs=0.6)
        assert figures["sigma_255 25"] == pytest.approx(20.2, abs=0.8)


def test_more_replaced_pixels_and_fewer_photons_cost_more(
    base: Config, photos: list[Tensor], trained: dict[str, Config]
) -> None:
    for find in (experiments.losses, experiments.poisson):
        for figures in find(Place(), base, photos).values():
            assert list(figures.values()) == sorted(figures.values(), reverse=True)


def test_told_and_blind_figures_are_of_one_training(
    base: Config, photos: list[Tensor], trained: dict[str, Config]
) -> None:
    found = experiments.poisson(Place(), base, photos)
    assert len(found) == 2 * len(trained) == 4
    assert {name.rpartition(", ")[2] for name in found} == {"blind", "noise map given"}


def test_levels_of_difficulty_are_those_of_the_sampler_in_both_runs(
    base: Config, photos: list[Tensor], trained: dict[str, Config]
) -> None:
    found = experiments.sampler(Place(), base, photos)
    assert list(found) == ["even", "on demand"]
    for figures in found.values():
        assert list(figures) == [f"level {number}" for number in range(1, experiments.LEVELS + 1)]
        assert list(figures.values()) == sorted(figures.values(), reverse=True)
    assert [config.difficulty_levels for config in trained.values()] == [1, experiments.LEVELS]


def test_a_network_for_noisy_targets_is_smaller(base: Config) -> None:
    changed = differing(base, experiments.smaller(base))
    assert {"widths", "depths"} & changed
    assert not changed & {"noise", "loss", "photos", "patch_px", "batch_size"}


def test_runs_of_different_noise_have_folders_of_their_own(
    base: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers: list[str] = []

    def train(config: Config, _: Place) -> torch.nn.Module:
        tiers.append(config.tier)
        return torch.nn.Identity()

    monkeypatch.setattr(experiments, "train", train)
    for noise in ("gaussian", "impulse"):
        for name in ("clean targets, L1", "sampler, on demand"):
            experiments.fit(Place(), name, replace(base, noise=noise))
    assert len(set(tiers)) == 4
    assert not any(set(tier) & set(" ,/") for tier in tiers)
