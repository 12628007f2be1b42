import csv
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from photorestore.networks.weights import load_network, read_metadata, weights_file
from tests.conftest import make_photo
from training import train_upscale
from training.config import read_config
from training.place import Place
from training.train_upscale import MARGIN_PX, Config, bicubic_baseline, evaluate, make_validation, worn_batch

CONFIGS = sorted(Path("training/configs").glob("upscale*.toml"))


def small_config(**changes: Any) -> Config:
    config = read_config(Config, Path("training/configs/upscale.fast.toml"))
    return dataclasses.replace(
        config, width=8, depth=1, photos=("photos",), validation=1, patch_px=8, batch_size=2,
        total_steps=4, evaluate_every=2, **changes,
    )  # fmt: skip


def as_toml(config: Config) -> str:
    return "\n".join(
        f"{key} = {str(list(value)) if isinstance(value, tuple) else repr(value)}"
        for key, value in dataclasses.asdict(config).items()
    )


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, str]]]:
    """Trains with a config on made photographs; gives the rows of the log."""
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        Image.fromarray(make_photo(104, 112, seed)).save(tmp_path / "photos" / f"{seed}.png")

    def run(config: Config, *more: str) -> list[dict[str, str]]:
        (tmp_path / "config.toml").write_text(as_toml(config))
        folders = [f"--{name}={tmp_path / folder}" for name, folder in
                   (("data", ""), ("runs", "runs"), ("weights", "weights"), ("config", "config.toml"))]  # fmt: skip
        threads = f"--threads={torch.get_num_threads()}"
        monkeypatch.setattr(sys, "argv", ["train", *folders, threads, "--device=cpu", *more])
        train_upscale.main()
        name = train_upscale.NETWORK_NAMES[config.degradation]
        with (tmp_path / "runs" / f"{name}.{config.tier}" / "log.csv").open() as file:
            return list(csv.DictReader(file))

    return run


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_is_read(file: Path) -> None:
    config = read_config(Config, file)
    assert file.stem == f"{train_upscale.NETWORK_NAMES[config.degradation]}.{config.tier}"


def test_a_run_goes_on_and_the_real_one_begins_with_its_weights(
    train: Callable[..., list[dict[str, str]]], tmp_path: Path
) -> None:
    assert [row["step"] for row in train(small_config())] == ["2", "4"]
    longer = dataclasses.replace(small_config(), total_steps=5)
    assert [row["step"] for row in train(longer)] == ["2", "4", "5"]
    metadata = read_metadata(weights_file("upscale", "fast", tmp_path / "weights"))
    assert metadata["steps"] == 5
    assert {"psnr_y_x2_db", "psnr_y_x4_db", "bicubic_x4_db"} <= set(metadata["metrics"])
    network = load_network("upscale", root=tmp_path / "weights")
    assert network(torch.rand(1, 3, 9, 10), 4).shape == (1, 3, 36, 40)
    real = small_config(degradation="second_order", warm_start="upscale.fast", learning_rate=1e-9)
    train(real, "--workers=0")
    ours, base = (
        load_network(name, root=tmp_path / "weights").state_dict() for name in ("upscale_real", "upscale")
    )
    for name, value in base.items():
        assert torch.allclose(ours[name], value, atol=1e-3), name


@pytest.mark.parametrize("delivered", [True, False], ids=["collapsed", "with branches"])
def test_a_run_begins_with_what_another_one_left(
    train: Callable[..., list[dict[str, str]]], tmp_path: Path, delivered: bool
) -> None:
    train(small_config(learning_rate=1e-2, final_learning_rate=1e-2))
    served = weights_file("upscale", "fast", tmp_path / "weights")
    begin = served if delivered else tmp_path / "runs" / "upscale.fast" / train_upscale.BRANCHES
    before = load_network("upscale", root=tmp_path / "weights")
    (again,) = train(
        dataclasses.replace(small_config(learning_rate=1e-9), tier="again", total_steps=1), f"--begin={begin}"
    )
    assert again["step"] == "1"
    stored = torch.load(tmp_path / "runs" / "upscale.again" / "checkpoint.pt", weights_only=True)
    network = train_upscale.build(small_config())
    network.load_state_dict(stored["average"])
    lr = torch.rand(1, 3, 9, 10)
    torch.testing.assert_close(network(lr, 2), before(lr, 2), atol=2e-3, rtol=0)
    assert not torch.allclose(before(lr, 2), train_upscale.build(small_config())(lr, 2), atol=2e-3)
    assert "body.0.first.squeeze" in stored["average"]  # it has branches to learn with


def test_a_missing_warm_start_is_named(train: Callable[..., list[dict[str, str]]]) -> None:
    with pytest.raises(FileNotFoundError, match=r"upscale\.fast holds no checkpoint"):
        train(small_config(degradation="second_order", warm_start="upscale.fast"), "--workers=0")


def test_an_unknown_degradation_is_refused() -> None:
    with pytest.raises(ValueError, match="bicubic, second_order"):
        small_config(degradation="blur")


def test_worn_pairs_fit_each_other() -> None:
    photos = [torch.from_numpy(make_photo(104, 112)).permute(2, 0, 1).contiguous()]
    config = small_config(degradation="second_order")
    assert 4 * (config.patch_px + 2 * MARGIN_PX) <= 104
    scales = set()
    for seed in range(8):
        lr, hr = worn_batch(photos, config, torch.Generator().manual_seed(seed))
        scales.add(hr.shape[-1] // lr.shape[-1])
        assert lr.shape == (2, 3, 8, 8)
        assert (torch.nn.functional.interpolate(hr, (8, 8), mode="area") - lr).abs().mean() < 0.2
    assert scales == {2, 4}


def test_a_new_network_scores_as_bicubic_does() -> None:
    photos = [torch.from_numpy(make_photo(65, 50)).permute(2, 0, 1)]
    held = make_validation(photos, small_config())
    scores = evaluate(Place().runner(train_upscale.build(small_config()).eval()), held)
    for name, value in bicubic_baseline(held).items():
        assert scores[name.replace("bicubic", "psnr_y")] == pytest.approx(value, abs=1e-6)
