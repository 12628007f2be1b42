"""Federated training without Flower: plans, checks of updates, alignment, what a site does, where weights go."""

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from photorestore.errors import BrokenArtifact
from photorestore.networks.weights import build_network, default_root, read_metadata, weights_file
from photorestore.stages.denoise.network import DenoiseUNet
from tests.conftest import make_photo
from training.config import read_config
from training.federated import delivery
from training.federated.alignment import (
    Alignment,
    Moments,
    measure,
    moments_of,
    pooled,
    problem_of_moments,
)
from training.federated.local import Learner, Site, Weights
from training.federated.plan import Plan, Refusal, Task
from training.federated.rounds import Rounds, State, read_weights, size_of
from training.federated.updates import (
    MOST_MOMENTUM,
    PICTURES,
    Numbers,
    Update,
    change_of,
    mean_metrics,
    mean_momentum,
    mean_weights,
    norm_of,
    problem_of_metrics,
    problem_of_shapes,
    problem_of_weights,
    shares_of,
)
from training.muon import FEWEST_OUTPUTS
from training.place import Place
from training.run import Run
from training.schedule import cosine
from training.train_denoise import Config

TASK = Task(1, 3, 2, 1e-3, 1e-4, 0.0, is_measured=True)
PLAN = Plan("test", 7, 20, 1e-3, 1e-5, 3, True, 0.0, 2, 5.0, 0.5, 1.0, 1000)
GIVEN: Numbers = {"kernel": np.ones((2, 3), np.float32), "count": np.array([4], np.int64)}
MADE_PICTURE = ("tests/quality/test_gates.py::test_noise_is_removed_from_a_made_picture",)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with three pictures, and a network that learns in no time."""
    base = read_config(Config, Path("training/configs/denoise.experiment.toml"))
    config = dataclasses.replace(
        base, widths=(8, 16), depths=(1, 1), photos=("mine",), validation=1, patch_px=32, batch_size=2
    )
    (tmp_path / "mine").mkdir()
    for number in range(3):
        Image.fromarray(make_photo(96, 128, seed=number)).save(tmp_path / "mine" / f"{number}.png")
    (tmp_path / "mine" / "notes.txt").write_text("not a picture")
    return Site(config, Place(data=tmp_path, runs=tmp_path / "runs", threads=1))


@pytest.fixture
def weights() -> Weights:
    torch.manual_seed(1)
    return DenoiseUNet((8, 16), (1, 1)).state_dict()


# Plans and tasks


def test_sites_measure_now_and_then_and_after_the_last_round() -> None:
    tasks = [PLAN.task(number) for number in range(1, 8)]
    assert [task.round for task in tasks if task.is_measured] == [3, 6, 7]
    assert {(task.rounds, task.steps, task.learning_rate, task.final_learning_rate) for task in tasks} == {
        (7, 20, 1e-3, 1e-5)
    }


def test_a_task_arrives_as_it_was_sent() -> None:
    assert Task.of(TASK.values() | {"of a later version": 1}) == TASK


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", None),
        ("steps", 2.0),
        ("round", "1"),
        ("rounds", True),
        ("learning_rate", 1),
        ("alignment", "x"),
        ("is_measured", 1),
    ],
)
def test_a_task_of_another_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(Refusal, match=name):
        Task.of(TASK.values() | {name: value})


def test_the_experiments_plan_can_be_read() -> None:
    assert read_config(Plan, Path("training/configs/federated.experiment.toml")).rounds > 1


# Checks of updates


def test_an_update_near_what_was_given_counts() -> None:
    update = {"kernel": GIVEN["kernel"] * 1.1, "count": GIVEN["count"] + 5}
    update["kernel"] = update["kernel"].astype(np.float32)
    assert problem_of_weights(update, GIVEN, 0.2) is None
    assert change_of(update, GIVEN) == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kernel": None}, "kernel is missing"),
        ({"pixels": np.zeros(3, np.uint8)}, "pixels is not known"),
        ({"kernel": np.ones((3, 2), np.float32)}, r"kernel is float32 \(3, 2\); expected float32 \(2, 3\)"),
        ({"kernel": np.ones((2, 3), np.float64)}, "kernel is float64"),
        ({"kernel": np.full((2, 3), np.nan, np.float32)}, "not finite"),
        ({"kernel": np.full((2, 3), np.inf, np.float32)}, "not finite"),
        ({"kernel": np.full((2, 3), 1.3, np.float32)}, "at most 0.2 counts"),
        ({"kernel": np.full((2, 3), 3e38, np.float32)}, "at most 0.2 counts"),
    ],
)
def test_another_update_does_not(change: dict[str, np.ndarray | None], told: str) -> None:
    update = {name: values for name, values in (dict(GIVEN) | change).items() if values is not None}
    problem = problem_of_weights(update, GIVEN, 0.2)
    assert problem is not None
    assert re.search(told, problem)


def test_no_update_counts_for_weights_that_are_all_zero_unless_it_is_zero_too() -> None:
    zero = {"kernel": np.zeros(2, np.float32)}
    assert problem_of_weights(zero, zero, 0.2) is None
    assert problem_of_weights({"kernel": np.ones(2, np.float32)}, zero, 0.2) is not None


@pytest.mark.parametrize("pictures", [None, 0, -1, 1001, 3.0, True, "12", [12]])
def test_a_site_says_how_many_pictures_it_has(pictures: object) -> None:
    assert problem_of_metrics({PICTURES: pictures}, 1000) is not None
    assert problem_of_metrics({PICTURES: 1000}, 1000) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, "text", [1.0]])
def test_metrics_are_finite_numbers(value: object) -> None:
    assert problem_of_metrics({PICTURES: 3, "psnr": 30.1}, 10) is None
    assert "psnr" in (problem_of_metrics({PICTURES: 3, "psnr": value}, 10) or "")


def test_names_that_a_site_chose_do_not_flood_the_log() -> None:
    assert len(problem_of_shapes({"x" * 10_000: np.zeros(1)}, {}) or "") < 120


# Averages


def sent(factor: float, pictures: int, **figures: float) -> Update:
    weights = {"kernel": GIVEN["kernel"] * np.float32(factor), "count": GIVEN["count"] + pictures}
    momentum = {"kernel": np.full((2, 3), 0.1 * factor, np.float32), "count": np.array([0])}
    return Update(weights, momentum, {PICTURES: pictures, **figures})


def test_sites_count_by_their_pictures_or_alike() -> None:
    updates = [sent(1.2, 1), sent(0.8, 3)]
    assert shares_of(updates, by_pictures=True) == [0.25, 0.75]
    assert shares_of(updates, by_pictures=False) == [0.5, 0.5]


def test_weights_move_by_the_shares_of_sites() -> None:
    mean = mean_weights([sent(1.2, 1), sent(0.8, 3)], [0.25, 0.75], GIVEN, 0.5)
    np.testing.assert_allclose(mean["kernel"], 0.25 * 1.2 + 0.75 * 0.8, rtol=1e-6)
    assert mean["count"].item() == 6  # 4 + (1 * 1 + 3 * 3) / 4, rounded
    assert {name: values.dtype for name, values in mean.items()} == {
        name: values.dtype for name, values in GIVEN.items()
    }


def test_the_mean_of_what_was_given_is_what_was_given() -> None:
    same = Update(GIVEN, GIVEN, {PICTURES: 7})
    mean = mean_weights([same, same, same], [1 / 3] * 3, GIVEN, 0.5)
    assert all(np.array_equal(mean[name], GIVEN[name]) for name in GIVEN)


@pytest.mark.parametrize("factor", [1.4, 2.0, 1e30])
def test_no_site_moves_the_mean_further_than_its_share_of_the_clip(factor: float) -> None:
    mean = mean_weights([sent(1.0, 3), sent(factor, 1)], [0.75, 0.25], GIVEN, 0.4)
    assert change_of(mean, GIVEN) == pytest.approx(0.25 * 0.4, rel=1e-5)
    np.testing.assert_allclose(mean["kernel"], 1.1, rtol=1e-6)  # its direction stays


def test_momenta_are_averaged_whatever_they_were_before() -> None:
    mean = mean_momentum([sent(1.0, 1), sent(3.0, 1)], [0.25, 0.75], GIVEN)
    np.testing.assert_allclose(mean["kernel"], 0.1 * (0.25 * 1 + 0.75 * 3), rtol=1e-6)
    assert mean["kernel"].dtype == np.float32


@pytest.mark.parametrize("factor", [5.0, 1e30])
def test_no_site_has_more_momentum_than_clipped_gradients_give(factor: float) -> None:
    mean = mean_momentum([sent(0.0, 1), sent(factor, 1)], [0.5, 0.5], GIVEN)
    assert norm_of(mean) == pytest.approx(0.5, rel=1e-5)


def test_figures_count_where_all_sites_have_them() -> None:
    updates = [sent(1, 1, psnr=30.0, own=1.0), sent(1, 3, psnr=34.0)]
    assert mean_metrics(updates, [0.25, 0.75]) == {"psnr": 33.0}
    assert mean_metrics([*updates, sent(1, 3)], [0.25, 0.25, 0.5]) == {}


# Alignment


def features(shift: float, scale: float = 1.0) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    mixing = torch.randn(4, 4, generator=rng)
    return torch.einsum("nchw,cd->ndhw", torch.randn(6, 4, 8, 8, generator=rng), mixing) * scale + shift


def test_statistics_of_all_sites_are_those_of_their_features_together() -> None:
    parts = [features(0.0), features(2.0, 0.5)[:2]]
    found = pooled([moments_of(part) for part in parts], [6, 2])
    expected = moments_of(torch.cat(parts))
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.covariance, expected.covariance)


@pytest.mark.parametrize(
    ("mean", "covariance", "told"),
    [
        (np.zeros(16, np.float32), np.eye(16, dtype=np.float32), None),
        (np.zeros(8, np.float32), np.eye(8, dtype=np.float32), "expected float32"),
        (np.float32(3), np.eye(16, dtype=np.float32), "expected float32"),
        (np.full(16, np.nan, np.float32), np.eye(16, dtype=np.float32), "not finite"),
        (np.zeros(16, np.float32), -np.eye(16, dtype=np.float32), "variance is negative"),
    ],
)
def test_statistics_are_those_of_the_networks_channels(
    weights: Weights, mean: np.ndarray, covariance: np.ndarray, told: str | None
) -> None:
    problem = problem_of_moments({"mean": np.asarray(mean), "covariance": covariance}, weights)
    assert (problem is None) == (told is None)
    assert (told or "") in (problem or "")


class Passing(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        return self.body(values)


def penalty_of(values: Tensor, target: Moments) -> Tensor:
    network, penalty = Passing(), Alignment(target, 0.5)
    penalty.watch(network)
    network(values.requires_grad_())
    with torch.no_grad():
        network(torch.zeros(1, 4, 2, 2))  # an evaluation in between
    return penalty.value()


def test_the_penalty_is_zero_where_statistics_agree_and_leads_there() -> None:
    target = moments_of(features(0.0))
    assert penalty_of(features(0.0), target).item() == pytest.approx(0, abs=1e-6)
    shifted = features(1.0)
    cost = penalty_of(shifted, target)
    (gradient,) = torch.autograd.grad(cost, shifted)
    nearer = shifted.detach() - 10 * gradient
    assert 0 < penalty_of(nearer, target).item() < cost.item()


def test_statistics_are_of_samples_and_the_same_each_time(site: Site, weights: Weights) -> None:
    first, again = (Learner(site).statistics(weights) for _ in range(2))
    assert torch.equal(first.mean, again.mean)
    assert first.covariance.shape == (16, 16)
    other = measure(DenoiseUNet((8, 16), (1, 1)).eval(), lambda _rng: black())
    assert not torch.allclose(first.mean, other.mean)


def black() -> tuple[Tensor, ...]:
    return torch.zeros(3, 32, 32), torch.zeros(3, 32, 32), torch.tensor(-1.0)


# What a site does


def test_a_site_counts_its_pictures(site: Site) -> None:
    assert site.count_pictures() == 3


@pytest.mark.parametrize(("steps", "alignment"), [(0, 0.0), (20_001, 0.0), (-1, 0.0), (2, 0.01)])
def test_a_site_refuses_more_than_it_offers(
    site: Site, weights: Weights, steps: int, alignment: float
) -> None:
    with pytest.raises(Refusal):
        Learner(site).learn(
            dataclasses.replace(TASK, steps=steps, alignment=alignment), weights, still(weights)
        )


def still(weights: Weights) -> Weights:
    """The momentum of a beginning."""
    return {name: torch.zeros_like(value) for name, value in weights.items()}


def test_a_site_learns_and_writes_nothing(site: Site, weights: Weights) -> None:
    before = {name: value.clone() for name, value in weights.items()}
    learned, momentum, figures = Learner(site).learn(TASK, weights, still(weights))
    assert learned.keys() == momentum.keys() == before.keys()
    assert all(torch.equal(weights[name], before[name]) for name in before)
    assert any(not torch.equal(learned[name], before[name]) for name in before)
    assert set(figures) == {"psnr_15_db", "psnr_25_db", "psnr_50_db"}
    assert not [file for file in site.place.runs.rglob("*") if file.is_file()]


def test_pictures_are_measured_only_where_the_task_says_so(site: Site, weights: Weights) -> None:
    task = dataclasses.replace(TASK, is_measured=False)
    assert Learner(site).learn(task, weights, still(weights))[2] == {}


def test_momentum_is_a_mean_of_clipped_gradients(site: Site, weights: Weights) -> None:
    _, momentum, _ = Learner(site).learn(dataclasses.replace(TASK, steps=30), weights, still(weights))
    numbers = {name: value.numpy() for name, value in momentum.items()}
    assert 0.05 < norm_of(numbers) < MOST_MOMENTUM


def test_a_site_goes_on_with_the_momentum_that_it_is_given(site: Site, weights: Weights) -> None:
    towards = {name: torch.ones_like(value) for name, value in weights.items()}
    one = dataclasses.replace(TASK, steps=1)
    with_it, _, _ = Learner(site).learn(one, weights, towards)
    against, _, _ = Learner(site).learn(one, weights, {name: -value for name, value in towards.items()})
    kernels = [name for name, value in weights.items() if len(value) >= FEWEST_OUTPUTS]
    assert kernels
    for name in kernels:
        assert (with_it[name] - weights[name]).mean() < 0 < (against[name] - weights[name]).mean()


def test_one_site_in_short_rounds_learns_what_it_does_in_a_long_one(site: Site, weights: Weights) -> None:
    at_once, momentum_at_once, _ = Learner(site).learn(
        dataclasses.replace(TASK, rounds=1, steps=6), weights, still(weights)
    )
    learner, learned, momentum = Learner(site), weights, still(weights)
    for number in (1, 2, 3):
        learned, momentum, _ = learner.learn(dataclasses.replace(TASK, round=number), learned, momentum)
    for name in weights:
        torch.testing.assert_close(learned[name], at_once[name])
        torch.testing.assert_close(momentum[name], momentum_at_once[name])


def test_a_site_that_was_stopped_joins_again_in_the_next_round(site: Site, weights: Weights) -> None:
    learned, momentum, _ = Learner(site).learn(TASK, weights, still(weights))
    again, _, _ = Learner(site).learn(dataclasses.replace(TASK, round=2), learned, momentum)
    kernels = [name for name, value in weights.items() if len(value) >= FEWEST_OUTPUTS]
    way = torch.cat([(again[name] - learned[name]).flatten() for name in kernels])
    before = torch.cat([(learned[name] - weights[name]).flatten() for name in kernels])
    assert torch.nn.functional.cosine_similarity(way, before, dim=0) > 0.3  # by the momentum it was given


def test_what_a_site_sends_does_not_change_as_it_goes_on(site: Site, weights: Weights) -> None:
    learner = Learner(site)
    learned, momentum, _ = learner.learn(TASK, weights, still(weights))
    kept = {name: value.clone() for name, value in learned.items()}
    learner.learn(dataclasses.replace(TASK, round=2), learned, momentum)
    assert all(torch.equal(learned[name], kept[name]) for name in kept)


def test_weights_of_another_architecture_are_no_beginning(site: Site) -> None:
    other = DenoiseUNet((8, 8), (1, 1)).state_dict()
    with pytest.raises(RuntimeError):
        Learner(site).learn(TASK, other, still(other))


def test_the_learning_rate_goes_by_the_round_also_of_a_site_that_missed_some(
    site: Site, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    learn = Run.learn

    def watch(run: Run[DenoiseUNet], loss: Tensor, progress: float) -> None:
        learn(run, loss, progress)
        seen.append(run.learning_rate)

    monkeypatch.setattr(Run, "learn", watch)
    learner = Learner(dataclasses.replace(site, config=dataclasses.replace(site.config, warm_up=3)))
    for number in (1, 3):
        learner.learn(dataclasses.replace(TASK, round=number), weights, still(weights))
    expected = [cosine(step / 6, step, top=1e-3, bottom=1e-4, warm_up=3) for step in (0, 1, 4, 5)]
    assert seen == pytest.approx(expected)


# Rounds


def test_a_federation_goes_on_where_it_was(tmp_path: Path, weights: Weights) -> None:
    rounds = Rounds(tmp_path, PLAN)
    first = rounds.load(weights)
    assert (first.round, first.weights) == (0, weights)
    assert all(not value.any() for value in first.momentum.values())
    moved = {name: value + 1 for name, value in weights.items()}
    moments = Moments(torch.ones(4), torch.eye(4))
    rounds.save(State(2, moved, weights, moments, ("anna", "bert"), {"psnr": 30.0}, 40, 12.5))
    found = rounds.load(weights)
    assert (found.round, found.sites, found.figures) == (2, ("anna", "bert"), {"psnr": 30.0})
    assert (found.steps, found.seconds) == (40, 12.5)
    assert all(torch.equal(found.weights[name], moved[name]) for name in moved)
    assert all(torch.equal(found.momentum[name], weights[name]) for name in weights)
    assert found.moments is not None
    assert torch.equal(found.moments.covariance, torch.eye(4))
    with pytest.raises(ValueError, match="another architecture"):
        rounds.load({"other": torch.zeros(1)})


# Where weights go


def delivered(
    tmp_path: Path, change: Callable[[Tensor], Tensor], gates: tuple[str, ...], steps: int = 60
) -> Path:
    begin = weights_file("denoise", "fast")
    weights = {name: change(value) for name, value in read_weights(begin).items()}
    end = State(4, weights, {}, None, ("anna", "bert"), {"psnr_25_db": 30.0}, steps, 9.0)
    return delivery.deliver(end, PLAN, begin, tmp_path / "federation", tmp_path / "weights", gates)


def test_weights_that_pass_are_delivered_with_their_story(tmp_path: Path) -> None:
    file = delivered(tmp_path, lambda values: values, gates=MADE_PICTURE)
    assert file == tmp_path / "weights/denoise/denoise.test.safetensors"
    build_network(DenoiseUNet, file)  # shows it the canary
    story = read_metadata(file)
    assert (story["steps"], story["metrics"]) == (60, {"psnr_25_db": 30.0})
    assert "2 sites" in story["data"]
    assert "anna" not in str(story)
    assert story["begun_with"]["commit"] == read_metadata(weights_file("denoise", "fast"))["commit"]


def test_weights_that_fail_stay_candidates_with_the_reason(tmp_path: Path) -> None:
    before = default_root().joinpath("denoise/denoise.fast.safetensors").read_bytes()
    file = delivered(tmp_path, torch.zeros_like, gates=MADE_PICTURE)
    assert file == tmp_path / "federation/candidate/denoise/denoise.test.safetensors"
    assert read_metadata(file)["steps"] == 60
    assert "gain_db" in (tmp_path / "federation/candidate/reason.txt").read_text()
    assert not (tmp_path / "weights").exists()
    assert default_root().joinpath("denoise/denoise.fast.safetensors").read_bytes() == before


def test_gates_that_cannot_be_tried_are_not_passed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser): parser.addoption('--weights')\n")
    (tmp_path / "test_gate.py").write_text("import pytest\ndef test_it(): pytest.skip('no pictures')\n")
    file = delivered(tmp_path, lambda values: values, gates=(str(tmp_path),))
    assert "candidate" in file.parts
    assert "1 skipped" in (tmp_path / "federation/candidate/reason.txt").read_text()


def test_where_no_round_counted_nothing_is_delivered(tmp_path: Path) -> None:
    file = delivered(tmp_path, lambda values: values, gates=("--version",), steps=0)
    assert "candidate" in file.parts
    assert (tmp_path / "federation/candidate/reason.txt").read_text() == "no round counted\n"


def test_a_federation_begins_with_nothing_that_could_not_be_delivered(
    tmp_path: Path, weights: Weights
) -> None:
    save_file(weights, tmp_path / "bare.safetensors")
    for file in (tmp_path / "bare.safetensors", tmp_path / "none.safetensors"):
        with pytest.raises(BrokenArtifact):
            read_weights(file)


def test_weights_are_measured_in_bytes(weights: Weights) -> None:
    assert size_of(weights) == sum(4 * value.numel() for value in weights.values())
