"""The command that trains the next quality network, on made pictures and with a tiny network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from photorestore.networks.weights import build_network, read_metadata
from photorestore.stages.denoise.network import DenoiseUNet
from training import next_quality
from training.checkpoints import load_pieces, save_pieces
from training.next_quality import ORDER, next_network, place_checkpoint

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
tier = "quality"
widths = [8, 16]
depths = [1, 1]
photos = ["photos_a/bsds400"]
pairs = "domain/polyu_pairs"
validation = 2
patch_px = 16
batch_size = 2
total_steps = 100000
learning_rate = 1e-3
final_learning_rate = 1e-6
ema_decay = 0.9
evaluate_every = 100000
noise = "mixed"
max_sigma_255 = 55
targets = "clean"
papers = ""
loss = "psnr"
difficulty_levels = 1
seed = 1
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A pack of made pictures, a configuration of a tiny denoiser, and weights of detectors that are there already."""
    rng = np.random.default_rng(0)
    for name in (
        "photos_a/bsds400/a",
        "photos_a/bsds400/b",
        "photos_a/bsds400/c",
        "domain/polyu_pairs/a_real",
    ):
        for file in (
            tmp_path / "pack" / f"{name}.png",
            tmp_path / "pack" / f"{name.replace('real', 'mean')}.png",
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(file)
    (tmp_path / "pack/pack.json").write_text('{"commit": "abc"}')
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/denoise.quality.toml").write_text(CONFIG)
    (tmp_path / "weights/scratch").mkdir(parents=True)
    for name in ("scratch", "scratch_print"):
        (tmp_path / f"weights/scratch/{name}.quality.safetensors").touch()
    return tmp_path


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command for a moment; returns its exit status."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", "src:.")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def main(out: str, *more: str) -> int:
        folders = {
            "pack": "pack",
            "out": out,
            "runs": f"runs_{out}",
            "weights": "weights",
            "configs": "configs",
        }
        line = ["next_quality", "--minutes", "0.01", "--reserve", "0", "--device", "cpu"]
        line += [text for option, name in folders.items() for text in (f"--{option}", str(place / name))]
        monkeypatch.setattr("sys.argv", [*line, *more])
        return next_quality.main()

    return main


def test_the_next_network_is_trained_delivered_and_trained_on(
    place: Path, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("out") == 0
    assert "training denoise" in capfd.readouterr().out
    out = place / "out"
    assert {file.name for file in out.iterdir()} == {
        "denoise.quality.safetensors", "denoise.quality.png", "denoise.quality.json",
        "denoise.quality.checkpoint.0.pt", "denoise.quality.checkpoint.1.pt",
    }  # fmt: skip
    build_network(DenoiseUNet, out / "denoise.quality.safetensors")
    told = json.loads((out / "denoise.quality.json").read_text())
    assert told["complete"]
    assert told["steps"] == told["step"] > 0
    assert "psnr_25_db" in told["metrics"]
    assert not list((place / "weights").rglob("denoise*"))  # somebody is to measure them first

    pieces = [str(file) for file in out.glob("*.pt")]
    assert run("again", "--resume", *pieces) == 0
    assert f"goes on from step {told['step']}" in capfd.readouterr().out
    assert read_metadata(place / "again/denoise.quality.safetensors")["steps"] > told["step"]
    with pytest.raises(ValueError, match=r"of denoise\.quality, but the network is face"):
        run("wrong", "--network", "face", "--resume", *pieces)


def test_a_run_that_fails_leaves_its_checkpoint_and_says_so(place: Path, run: Callable[..., int]) -> None:
    folder = place / "runs_out/denoise.quality"
    folder.mkdir(parents=True)
    torch.save(checkpoint(values=5000), folder / "checkpoint.pt")  # of another network
    assert run("out") == 1
    assert not json.loads((place / "out/denoise.quality.json").read_text())["complete"]
    assert load_pieces(list((place / "out").glob("*.pt")))["step"] == 3


def deliver(weights: Path, *networks: str) -> None:
    for network in networks:
        file = weights / network.partition("_")[0] / f"{network}.quality.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_networks_come_in_their_order(tmp_path: Path) -> None:
    assert next_network(tmp_path, set()) == "scratch_print"
    deliver(tmp_path, "scratch_print", "scratch", "denoise", "upscale")
    assert next_network(tmp_path, set()) == "translate"
    for at_hand in ("upscale.quality", "upscale_real.quality"):
        assert next_network(tmp_path, {at_hand}) == "upscale_real"
    deliver(tmp_path, *ORDER)
    with pytest.raises(ValueError, match="every network"):
        next_network(tmp_path, set())


def checkpoint(values: int) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(0)
    weights = {"large": torch.randn(values, generator=rng), "small": torch.tensor([1e5, 1e-9])}
    momentum = {
        "state": {0: {"step": torch.tensor(3.0), "exp_avg_sq": 1e-12 * torch.rand(values, generator=rng)}}
    }
    return {
        "states": {"network": weights, "optimiser": momentum | {"param_groups": [{"lr": 1.0, "params": [0]}]}},
        "average": {name: 2 * value for name, value in weights.items()},
        "step": 3, "spent_s": 7.0,
    }  # fmt: skip


def test_a_checkpoint_comes_back_from_its_pieces_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.checkpoints.PIECE_BYTES", 7 * 2**20)
    before = checkpoint(values=3 * 2**20)
    files = save_pieces(tmp_path, "scratch.quality", before, "step\n3\n")
    assert len(files) == 3
    assert max(file.stat().st_size for file in files[1:]) == 7 * 2**20
    after = load_pieces(files[::-1])
    assert (after["run"], after["log"], after["step"], after["spent_s"]) == (
        "scratch.quality",
        "step\n3\n",
        3,
        7.0,
    )
    for part in ("average", "states"):
        was, now = (state[part] if part == "average" else state[part]["network"] for state in (before, after))
        torch.testing.assert_close(now["large"], was["large"], rtol=1e-3, atol=1e-6)
        assert torch.equal(now["small"], was["small"])
    moments = [state["states"]["optimiser"]["state"][0]["exp_avg_sq"] for state in (before, after)]
    torch.testing.assert_close(*moments, rtol=1e-2, atol=0)


def test_the_first_piece_alone_goes_on_from_the_average(tmp_path: Path) -> None:
    files = save_pieces(tmp_path, "scratch.quality", checkpoint(values=5000), "step\n3\n")
    assert place_checkpoint(files[:1], tmp_path / "runs", replace=False) == "scratch.quality"
    folder = tmp_path / "runs/scratch.quality"
    stored = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert set(stored["states"]) == {"network"}
    assert torch.equal(stored["states"]["network"]["large"], stored["average"]["large"])
    assert (folder / "log.csv").read_text() == "step\n3\n"


def test_pieces_that_do_not_belong_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.checkpoints.PIECE_BYTES", 7 * 2**20)
    files = save_pieces(tmp_path, "scratch.quality", checkpoint(values=3 * 2**20), "")
    with pytest.raises(ValueError, match="pieces are missing"):
        load_pieces([files[0], files[2]])
    with pytest.raises(ValueError, match="last piece"):
        load_pieces(files[:-1])
    other = save_pieces(tmp_path / "other", "scratch.quality", checkpoint(values=5000) | {"step": 4}, "")
    with pytest.raises(ValueError, match="of step 4"):
        load_pieces([other[0], *files[1:]])
