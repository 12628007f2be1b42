from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from photorestore.networks.weights import load_network, read_metadata
from photorestore.stages.scratch.network import ScratchUNet
from training.checkpoints import load_checkpoint, save_checkpoint
from training.config import RunConfig, read_config
from training.data import batches, hold_out, random_patch
from training.log import Log
from training.place import Place
from training.run import Run
from training.schedule import Budget, MovingAverage, cosine


@dataclass(frozen=True, slots=True)
class Config:
    widths: tuple[int, ...]
    seed: int


def test_a_config_is_read_and_its_problems_are_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("widths = [1, 2]\nseed = 3")
    assert read_config(Config, file) == Config((1, 2), 3)
    file.write_text("width = [1, 2]\nseed = 3")
    with pytest.raises(ValueError, match="unknown key width, missing key widths"):
        read_config(Config, file)


def test_the_learning_rate_warms_up_and_ends_at_its_bottom() -> None:
    assert cosine(0.0, 0, top=1.0, bottom=0.1) == pytest.approx(0.01)
    assert cosine(0.5, 1000, top=1.0, bottom=0.0) == pytest.approx(0.5)
    assert cosine(1.0, 1000, top=1.0, bottom=0.1) == pytest.approx(0.1)


def test_a_time_budget_counts_what_a_resumed_run_has_spent() -> None:
    assert Budget(100, minutes=None).progress(25) == pytest.approx(0.25)
    assert Budget(100, minutes=1, spent_s=30).progress(0) == pytest.approx(0.5, abs=0.01)


def test_the_average_follows_the_weights() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = MovingAverage(network, decay=0.5)
    network.weight.data.fill_(1.0)
    average.update(network, step=1000)
    assert float(average.values["weight"]) == pytest.approx(0.5)


def test_a_checkpoint_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    assert load_checkpoint(file) is None
    save_checkpoint(file, step=3, network={"a": torch.ones(2)})
    stored = load_checkpoint(file)
    assert stored is not None
    assert stored["step"] == 3


SCHEDULE = RunConfig(
    tier="fast", batch_size=1, total_steps=3, learning_rate=1e-3, final_learning_rate=1e-5, ema_decay=0.9, seed=3
)  # fmt: skip


def start(
    tmp_path: Path, total_steps: int, begin: Path | None = None, until: float | None = None
) -> Run[ScratchUNet]:
    torch.manual_seed(0)
    network = ScratchUNet((8, 8))
    place = Place(runs=tmp_path / "runs", weights=tmp_path / "weights", until=until, begin=begin)
    schedule = replace(SCHEDULE, total_steps=total_steps)
    return Run("scratch", place, schedule, network, torch.optim.AdamW(network.parameters()))


def learn(run: Run[ScratchUNet]) -> None:
    for progress in run.progress():
        run.learn(run.network(torch.full((1, 3, 16, 16), 0.5)).square().mean(), progress)


def test_a_run_goes_on_where_it_stopped_and_delivers_its_averaged_weights(tmp_path: Path) -> None:
    first = start(tmp_path, total_steps=3)
    learn(first)
    first.record({"f1": 0.5})
    second = start(tmp_path, total_steps=5)
    assert second.step == 3
    for name, value in first.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], value), name
    learn(second)
    second.finish(
        second.averaged(), {"f1": 0.6},
        architecture={"widths": (8, 8)}, data="none", licence="none",
    )  # fmt: skip
    metadata = read_metadata(tmp_path / "weights" / "scratch" / "scratch.fast.safetensors")
    assert (metadata["steps"], metadata["metrics"]) == (5, {"f1": 0.6})
    delivered = load_network("scratch", root=tmp_path / "weights")
    assert isinstance(delivered, ScratchUNet)
    torch.testing.assert_close(
        delivered.tail.weight, second.average.values["tail.weight"], atol=1e-4, rtol=1e-3
    )
    assert (tmp_path / "runs" / "scratch.fast" / "curve.png").exists()


def test_a_run_that_is_stopped_between_evaluations_goes_on_from_its_last_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.run.CHECKPOINT_EVERY_S", 0.0)
    learn(start(tmp_path, total_steps=3))
    assert start(tmp_path, total_steps=5).step == 3


def test_a_run_ends_at_the_time_it_is_given_whatever_it_spent_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.run.time.time", lambda: 1000.0)
    first = start(tmp_path, total_steps=10**6, until=1005.0)
    assert first.budget.limit_s == pytest.approx(5)
    first.budget.start -= 60
    first.record({"f1": 0.5})
    assert start(tmp_path, total_steps=10**6, until=1005.0).budget.limit_s == pytest.approx(65, abs=1)
    assert start(tmp_path, total_steps=10**6, until=990.0).budget.limit_s == pytest.approx(61, abs=1)


def test_evaluations_take_a_tenth_of_the_time_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, now = start(tmp_path, total_steps=100), [0.0]
    monkeypatch.setattr("training.run.time.monotonic", lambda: now[0])
    run._due_s, run.step = 0.0, 10
    assert run.is_due(10)
    assert not run.is_due(3)
    assert run.is_due(5)
    now[0] = 2.0  # it took two seconds
    run.record({"f1": 0.5})
    for now[0], expected in ((19.0, False), (20.1, True)):
        assert run.is_due(10) == expected


def test_a_run_that_ends_before_its_first_evaluation_logs_its_end(tmp_path: Path) -> None:
    run = start(tmp_path, total_steps=1)
    learn(run)
    run.finish(run.network, {"f1": 0.1}, architecture={"widths": (8, 8)}, data="none", licence="none")
    assert (tmp_path / "runs" / "scratch.fast" / "log.csv").read_text().splitlines()[1].endswith(",0.1")


def test_an_end_that_is_recorded_already_is_not_logged_twice(tmp_path: Path) -> None:
    run = start(tmp_path, total_steps=1)
    learn(run)
    run.record({"f1": 0.1})
    run.finish(run.network, {"f1": 0.1}, architecture={"widths": (8, 8)}, data="none", licence="none")
    assert len((tmp_path / "runs" / "scratch.fast" / "log.csv").read_text().splitlines()) == 2


def test_a_run_begins_with_delivered_weights_and_says_so(tmp_path: Path) -> None:
    first = start(tmp_path, total_steps=2)
    learn(first)
    first.finish(
        first.averaged(), {"f1": 0.1},
        architecture={"widths": (8, 8)}, data="none", licence="none",
    )  # fmt: skip
    delivered = tmp_path / "weights" / "scratch" / "scratch.fast.safetensors"
    second = start(tmp_path / "second", total_steps=1, begin=delivered)
    assert second.step == 0
    weights = load_network("scratch", root=tmp_path / "weights").state_dict()
    for values in (second.network.state_dict(), second.average.values):
        assert all(torch.equal(values[name], value) for name, value in weights.items())
    learn(second)
    second.finish(second.network, {}, architecture={"widths": (8, 8)}, data="none", licence="none")
    metadata = read_metadata(tmp_path / "second" / "weights" / "scratch" / "scratch.fast.safetensors")
    assert metadata["begun_with"]["steps"] == 2
    assert metadata["begun_with"]["metrics"] == {"f1": 0.1}


def test_each_folder_gives_some_photographs_for_validation() -> None:
    folders = [[torch.tensor(10 * i + k) for k in range(5)] for i in range(2)]
    held, kept = hold_out(folders, 4)
    assert [int(photo) for photo in held] == [0, 4, 10, 14]
    assert [[int(photo) for photo in folder] for folder in kept] == [[1, 2, 3], [11, 12, 13]]


def test_a_log_is_drawn(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(1, loss=0.5)
    log.write(2, loss=0.25)
    log.draw(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_batches_are_decided_by_their_seed() -> None:
    photos = [torch.arange(3 * 40 * 50, dtype=torch.uint8).view(3, 40, 50)]

    def sample(rng: torch.Generator) -> tuple[torch.Tensor]:
        return (random_patch(photos, 16, rng),)

    first, again, other = (next(batches(sample, 2, seed))[0] for seed in (1, 1, 2))
    assert first.shape == (2, 3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
