"""The quality tier of each network: its configuration, and samples fast enough for a GPU."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from bench.cost import gmacs_per_megapixel
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.face.network import FaceUNet
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.translate.network import Translator
from training import train_denoise, train_face, train_scratch, train_translate, train_upscale
from training.config import read_config
from training.data import sample_batches
from training.on_demand import OnDemand

CONFIGS = Path(__file__).resolve().parents[3] / "training/configs"
TRAININGS: dict[str, ModuleType] = {
    "denoise": train_denoise,
    "scratch": train_scratch,
    "scratch_print": train_scratch,
    "translate": train_translate,
    "face": train_face,
    "upscale": train_upscale,
    "upscale_real": train_upscale,
}
BUILDERS: dict[str, Callable[[Any], nn.Module]] = {
    "denoise": lambda config: DenoiseUNet(config.widths, config.depths),
    "scratch": lambda config: ScratchUNet(config.widths).eval(),
    "scratch_print": lambda config: ScratchUNet(config.widths).eval(),
    "translate": lambda config: Translator(**config.architecture).eval(),
}


def build_face(config: train_face.Config) -> FaceUNet:
    return FaceUNet(widths=config.widths, depths=config.depths, hidden=config.hidden)


BUILD_ALL: dict[str, Callable[[Any], nn.Module]] = BUILDERS | {
    "face": build_face,
    "upscale": train_upscale.build,
    "upscale_real": train_upscale.build,
}


@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.parametrize("tier", ["fast", "quality"])
def test_every_network_has_a_configuration_for_each_tier(name: str, tier: str) -> None:
    assert read_config(TRAININGS[name].Config, CONFIGS / f"{name}.{tier}.toml").tier == tier


@pytest.mark.parametrize("name", BUILDERS)
def test_a_quality_configuration_states_what_its_network_costs(name: str) -> None:
    file = CONFIGS / f"{name}.quality.toml"
    with torch.device("meta"):  # counted, not computed
        network = BUILDERS[name](read_config(TRAININGS[name].Config, file))
        counted = gmacs_per_megapixel(network, name)
    (stated,) = re.findall(r"^# (\d+) GMACs a megapixel", file.read_text())
    assert counted == pytest.approx(int(stated), rel=0.02)
    assert counted <= 700


@pytest.mark.parametrize("name", TRAININGS)
def test_a_quality_network_has_at_most_eight_million_parameters(name: str) -> None:
    with torch.device("meta"):
        network = BUILD_ALL[name](read_config(TRAININGS[name].Config, CONFIGS / f"{name}.quality.toml"))
    assert sum(parameter.numel() for parameter in network.parameters()) <= 8e6


def draw(difficulty: OnDemand, rng: torch.Generator) -> tuple[torch.Tensor, ...]:
    return torch.rand(2, 3, generator=rng), difficulty.shares.clone()


@pytest.mark.parametrize("workers", [0, 1])
def test_samples_are_decided_by_their_seed_whoever_makes_them(workers: int) -> None:
    first, again, other = (
        next(sample_batches(partial(draw, OnDemand(2)), 4, seed, workers, "cpu"))[0] for seed in (1, 1, 2)
    )
    assert first.shape == (4, 2, 3)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_processes_that_make_samples_follow_the_difficulty() -> None:
    difficulty = OnDemand(2)
    samples = sample_batches(partial(draw, difficulty), 1, 1, 1, "cpu")
    assert next(samples)[1].tolist() == [[0.5, 0.5]]
    difficulty.update([10.0, 30.0])
    assert any(next(samples)[1][0, 0] > 0.7 for _ in range(20))
