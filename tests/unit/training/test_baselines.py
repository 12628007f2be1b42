import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from bench import learned
from photorestore.fidelity import luma as studio_luma
from photorestore.networks.weights import FORMAT_VERSION, build_network, read_metadata, weights_file
from photorestore.pixels.tensors import luma
from tests.conftest import make_photo
from training import train_baselines
from training.baselines import NETWORKS, SRCNN, Autoencoder, LapSRN
from training.config import read_config
from training.degradations.noise import quantise
from training.degradations.resize import bicubic
from training.train_baselines import RECIPES, Config


def test_autoencoder_takes_any_size() -> None:
    assert Autoencoder()(torch.rand(2, 1, 13, 18)).shape == (2, 1, 13, 18)


def test_srcnn_has_the_size_of_the_paper_and_keeps_that_of_the_picture() -> None:
    network = SRCNN((2,))
    kernels = [module.weight.shape for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert kernels == [(64, 1, 9, 9), (32, 64, 1, 1), (1, 32, 5, 5)]
    assert network(torch.rand(1, 1, 20, 23), 2).shape == (1, 1, 20, 23)


def test_a_new_lapsrn_adds_no_detail_to_a_bilinear_enlargement() -> None:
    image = torch.rand(1, 1, 9, 7)
    twice, four_times = LapSRN(8, 1)(image)
    added = twice - torch.nn.functional.interpolate(image, scale_factor=2, mode="bilinear")
    assert added.std() < 1e-6
    assert four_times.shape == (1, 1, 36, 28)


def test_enlargers_leave_chroma_to_bicubic() -> None:
    lr = torch.rand(3, 12, 12) * 0.4 + 0.3
    network = LapSRN(8, 1)
    weight = network.details[0].weight
    assert isinstance(weight, torch.Tensor)
    torch.nn.init.normal_(weight, std=0.001)
    sr = learned._enlarger(network)(lr, 2)
    base = quantise(bicubic(lr, 2))
    changed = studio_luma(sr) - studio_luma(base)
    assert changed.abs().max() > 0.005
    difference = sr - base
    assert (difference - difference.mean(0)).abs().max() <= 1.01 / 255  # rounding to 8 bits
    wanted = network(luma(lr)[None])[0][0]
    assert (luma(sr) - wanted).abs().max() < 0.01


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Trains baselines for two steps on made photographs."""
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        Image.fromarray(make_photo(104, 112, seed)).save(tmp_path / "photos" / f"{seed}.png")

    def run(*networks: str) -> None:
        lines = Path("training/configs/baselines.fast.toml").read_text().splitlines()
        changes = {"photos": '["photos"]', "validation": "1", "patch_px": "12", "batch_size": "2",
                   "total_steps": "2", "evaluate_every": "2"}  # fmt: skip
        names = [line.split(" = ")[0] for line in lines]
        small = [
            f"{name} = {changes[name]}" if name in changes else line
            for name, line in zip(names, lines, strict=True)
        ]
        (tmp_path / "config.toml").write_text("\n".join(small))
        folders = [f"--{name}={tmp_path / folder}" for name, folder in
                   (("data", ""), ("runs", "runs"), ("weights", "weights"), ("config", "config.toml"))]  # fmt: skip
        threads = f"--threads={torch.get_num_threads()}"
        monkeypatch.setattr(sys, "argv", ["train", *folders, threads, "--networks", *networks])
        train_baselines.main()

    return run


@pytest.mark.parametrize("name", RECIPES)
def test_training_leaves_weights_that_describe_themselves(
    name: str, train: Callable[..., None], tmp_path: Path
) -> None:
    train(name)
    file = weights_file(name, "fast", tmp_path / "weights")
    metadata = read_metadata(file)
    assert metadata["steps"] == 2
    assert all(value > 5 for value in metadata["metrics"].values())
    assert isinstance(build_network(NETWORKS[name], file), NETWORKS[name])


@pytest.mark.parametrize("name", RECIPES)
def test_every_table_of_the_config_is_read(name: str) -> None:
    read_config(Config, Path("training/configs/baselines.fast.toml"), table=name)


def test_committed_baselines_load_are_small_and_name_their_budget() -> None:
    files = sorted(learned.WEIGHTS.rglob("*.safetensors"))
    assert {file.name for file in files} == {f"{name}.fast.safetensors" for name in NETWORKS}
    assert sum(file.stat().st_size for file in files) < 1e6
    for name in NETWORKS:
        loaded = learned.load(name)
        assert loaded is not None
        label, network = loaded
        assert "trained by us" in label
        assert all(value.dtype == torch.float32 for value in network.parameters())
        assert read_metadata(weights_file(name, "fast", learned.WEIGHTS))["format"] == FORMAT_VERSION


def test_without_weights_there_is_no_learned_baseline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(learned, "WEIGHTS", tmp_path)
    assert learned.load_autoencoder() is None
    assert learned.load_enlargers() == {}
