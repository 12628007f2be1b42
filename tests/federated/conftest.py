"""Small sites for the tests of federated training through Flower, which `make federated` runs."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from photorestore.stages.denoise.network import DenoiseUNet
from tests.conftest import make_photo
from training.config import read_config
from training.federated.local import Site, Weights
from training.federated.plan import Plan
from training.place import Place
from training.train_denoise import Config

MakeSite = Callable[[str], Site]


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    """Returns a site by its name, with three pictures of its own, whose network learns in no time."""
    base = read_config(Config, Path("training/configs/denoise.experiment.toml"))
    config = dataclasses.replace(
        base, widths=(8, 16), depths=(1, 1), photos=("mine",), validation=1, patch_px=32, batch_size=2
    )

    def make(name: str) -> Site:
        (tmp_path / name / "mine").mkdir(parents=True)
        for number in range(3):
            pixels = make_photo(96, 128, seed=10 * len(name) + number)
            Image.fromarray(pixels).save(tmp_path / name / "mine" / f"{number}.png")
        place = Place(data=tmp_path / name, runs=tmp_path / f"{name}.runs", threads=1)
        return Site(config, place, statistics=True)

    return make


@pytest.fixture
def plan() -> Plan:
    return Plan(
        "test", rounds=2, steps=2, learning_rate=1e-3, final_learning_rate=1e-4, measure_every=1,
        by_pictures=True, alignment=0.0, least_sites=2, wait_s=60.0, clip=0.5, most_change=1.0, most_pictures=1000,
    )  # fmt: skip


@pytest.fixture
def weights() -> Weights:
    torch.manual_seed(1)
    return DenoiseUNet((8, 16), (1, 1)).state_dict()
