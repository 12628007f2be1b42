from dataclasses import dataclass

import pytest
import torch

from training.data import batches, random_patch
from training.run import Budget, Log, MovingAverage, cosine, load_checkpoint, read_config, save_checkpoint


@dataclass(frozen=True, slots=True)
class Config:
    widths: tuple[int, ...]
    seed: int


def test_a_config_is_read_and_its_problems_are_named_at_once(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("widths = [1, 2]\nseed = 3")
    assert read_config(Config, file) == Config((1, 2), 3)
    file.write_text("width = [1, 2]\nseed = 3")
    with pytest.raises(ValueError, match="unknown key width, missing key widths"):
        read_config(Config, file)


def test_the_learning_rate_warms_up_and_ends_at_its_bottom():
    assert cosine(0.0, 0, top=1.0, bottom=0.1) == pytest.approx(0.01)
    assert cosine(0.5, 1000, top=1.0, bottom=0.0) == pytest.approx(0.5)
    assert cosine(1.0, 1000, top=1.0, bottom=0.1) == pytest.approx(0.1)


def test_a_time_budget_counts_what_a_resumed_run_has_spent():
    assert Budget(100, minutes=None).progress(25) == pytest.approx(0.25)
    assert Budget(100, minutes=1, spent_s=30).progress(0) == pytest.approx(0.5, abs=0.01)


def test_the_average_follows_the_weights():
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = MovingAverage(network, decay=0.5)
    network.weight.data.fill_(1.0)
    average.update(network, step=1000)
    assert float(average.values["weight"]) == pytest.approx(0.5)


def test_a_checkpoint_is_read_back(tmp_path):
    file = tmp_path / "checkpoint.pt"
    assert load_checkpoint(file) is None
    save_checkpoint(file, step=3, network={"a": torch.ones(2)})
    assert load_checkpoint(file)["step"] == 3


def test_a_log_is_drawn(tmp_path):
    log = Log(tmp_path)
    log.write(1, loss=0.5)
    log.write(2, loss=0.25)
    log.draw(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_batches_are_decided_by_their_seed():
    photos = [torch.arange(3 * 40 * 50, dtype=torch.uint8).view(3, 40, 50)]

    def sample(rng):
        return (random_patch(photos, 16, rng),)

    first, again, other = (next(batches(sample, 2, seed))[0] for seed in (1, 1, 2))
    assert first.shape == (2, 3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
