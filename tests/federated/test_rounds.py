"""Rounds of sites in one process, by Flower's messages: who counts, what is sent, how a federation goes on."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.federated.conftest import MakeSite
from training.federated.local import Weights
from training.federated.plan import Plan
from training.federated.rounds import State

pytest.importorskip("flwr", reason="Flower is not in this environment: `make federated` runs these tests")

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from training.federated import messages
from training.federated.coordinator import coordinate
from training.federated.messages import METRICS, MOMENTUM, STATISTICS, WEIGHTS, Answer, answering
from training.federated.simulation import LocalGrid
from training.federated.updates import PICTURES

Change = Callable[[RecordDict], None]


def see_through(sites: dict[str, Answer], plan: Plan, begin: Weights, runs: Path) -> State:
    grid = LocalGrid(sites)
    return coordinate(grid, plan, begin, runs, grid.names.__getitem__)


def sending(moved: float, pictures: int, change: Change = lambda content: None) -> Answer:
    """A site that answers with the weights it got, each moved by a value, and a tenth of it for momentum.

    `change` spoils the answer.
    """

    def answer(message: Message) -> Message:
        weights = messages.to_weights(message.content[WEIGHTS])
        record = messages.to_record({name: values + moved for name, values in weights.items()})
        momentum = messages.to_record(
            {name: torch.full_like(values, moved / 10) for name, values in weights.items()}
        )
        metrics = MetricRecord({PICTURES: pictures, "psnr": 30.0 + moved})
        content = RecordDict({WEIGHTS: record, MOMENTUM: momentum, METRICS: metrics})
        change(content)
        return Message(content, reply_to=message)

    return answer


def spoil_a_number(content: RecordDict) -> None:
    weights = messages.to_weights(content[WEIGHTS])
    next(iter(weights.values())).view(-1)[0] = float("nan")
    content[WEIGHTS] = messages.to_record(weights)


def add_pictures(content: RecordDict) -> None:
    content["pictures"] = messages.to_record({"0.png": torch.zeros(96, 128, 3)})


def send_a_text(content: RecordDict) -> None:
    content[WEIGHTS] = ConfigRecord({"weights": "none"})


def send_what_cannot_be_read(content: RecordDict) -> None:
    array = next(iter(content[WEIGHTS].values()))
    array.data = b"no numpy"


def say_too_many_pictures(content: RecordDict) -> None:
    content[METRICS] = MetricRecord({PICTURES: 10**9})


def spoil_the_momentum(content: RecordDict) -> None:
    momentum = messages.to_weights(content[MOMENTUM])
    next(iter(momentum.values())).view(-1)[0] = float("inf")
    content[MOMENTUM] = messages.to_record(momentum)


def keep_the_momentum_back(content: RecordDict) -> None:
    del content[MOMENTUM]


def send_nothing(content: RecordDict) -> None:
    content[WEIGHTS] = ArrayRecord({})


def test_the_mean_goes_by_pictures_and_figures_with_it(tmp_path: Path, plan: Plan, weights: Weights) -> None:
    sites = {"anna": sending(0.01, 1), "bert": sending(0.02, 3)}
    end = see_through(sites, plan, weights, tmp_path)
    assert (end.round, end.steps, end.sites) == (2, 4, ("anna", "bert"))
    for name, values in weights.items():
        torch.testing.assert_close(end.weights[name], values + 2 * 0.0175)
        torch.testing.assert_close(end.momentum[name], torch.full_like(values, 0.00175))
    assert end.figures == pytest.approx({"psnr": 30.0175})


def test_sites_count_alike_where_the_plan_says_so(tmp_path: Path, plan: Plan, weights: Weights) -> None:
    alike = dataclasses.replace(plan, by_pictures=False)
    end = see_through({"anna": sending(0.01, 1), "bert": sending(0.02, 3)}, alike, weights, tmp_path)
    for name, values in weights.items():
        torch.testing.assert_close(end.weights[name], values + 2 * 0.015)
    assert end.figures == pytest.approx({"psnr": 30.015})


def test_each_round_gives_the_sites_the_momentum_of_all(tmp_path: Path, plan: Plan, weights: Weights) -> None:
    given: list[float] = []

    def noting(answer: Answer) -> Answer:
        def noted(message: Message) -> Message:
            momentum = messages.to_weights(message.content[MOMENTUM])
            given.append(next(iter(momentum.values())).mean().item())
            return answer(message)

        return noted

    sites = {"anna": noting(sending(0.01, 1)), "bert": noting(sending(0.03, 1))}
    see_through(sites, dataclasses.replace(plan, rounds=1), weights, tmp_path)
    see_through(sites, plan, weights, tmp_path)  # another server goes on
    assert given == pytest.approx([0.0, 0.0, 0.002, 0.002])


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_a_number,
        add_pictures,
        send_a_text,
        send_what_cannot_be_read,
        say_too_many_pictures,
        spoil_the_momentum,
        keep_the_momentum_back,
        send_nothing,
    ],
)
def test_a_bad_answer_does_not_count(
    spoil: Change, tmp_path: Path, plan: Plan, weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    sites = {"anna": sending(0.01, 1), "bert": sending(0.01, 1), "odd": sending(0.02, 9, spoil)}
    end = see_through(sites, plan, weights, tmp_path)
    assert end.sites == ("anna", "bert")
    for name, values in weights.items():
        torch.testing.assert_close(end.weights[name], values + 0.02)
    assert capsys.readouterr().out.count("odd is left out") == 2


def test_weights_stay_where_too_few_answers_count(tmp_path: Path, plan: Plan, weights: Weights) -> None:
    sites = {"anna": sending(0.01, 1), "odd": sending(0.02, 1, spoil_a_number)}
    end = see_through(sites, plan, weights, tmp_path)
    assert (end.round, end.steps, end.sites, end.figures) == (2, 0, (), {})
    assert all(torch.equal(end.weights[name], weights[name]) for name in weights)


def test_a_site_far_away_is_clipped_and_one_beyond_reason_left_out(
    tmp_path: Path, plan: Plan, weights: Weights
) -> None:
    once = dataclasses.replace(plan, rounds=1)

    def distance(third: float, runs: str) -> float:
        sites = {"anna": sending(0, 1), "bert": sending(0, 1), "far": sending(third, 1)}
        end = see_through(sites, once, weights, tmp_path / runs)
        apart = sum(float((end.weights[name] - values).square().sum()) for name, values in weights.items())
        return (apart / sum(float(values.square().sum()) for values in weights.values())) ** 0.5

    count, norm = (
        sum(values.numel() for values in weights.values()),
        sum(float(values.square().sum()) for values in weights.values()) ** 0.5,
    )
    whole = norm / count**0.5  # what moves the weights by their own norm
    assert distance(0.9 * whole, "near") == pytest.approx(once.clip / 3, rel=1e-4)
    assert distance(1.1 * whole, "far") == 0


def test_sites_learn_together_and_go_on_where_they_were(
    tmp_path: Path, make_site: MakeSite, plan: Plan, weights: Weights
) -> None:
    sites = {name: answering(make_site(name)) for name in ("anna", "robert")}
    first = see_through(sites, dataclasses.replace(plan, rounds=1), weights, tmp_path / "server")
    assert any(not torch.equal(first.weights[name], weights[name]) for name in weights)
    end = see_through(sites, plan, weights, tmp_path / "server")
    assert (first.round, end.round, first.steps, end.steps) == (1, 2, 2, 4)
    assert set(end.figures) == {"psnr_15_db", "psnr_25_db", "psnr_50_db"}


def test_statistics_are_gathered_once_and_only_where_the_plan_aligns(
    tmp_path: Path, make_site: MakeSite, plan: Plan, weights: Weights
) -> None:
    asked: list[tuple[str, bool]] = []

    def noting(answer: Answer) -> Answer:
        def noted(message: Message) -> Message:
            asked.append((message.metadata.message_type, STATISTICS in message.content))
            return answer(message)

        return noted

    sites = {name: noting(answering(make_site(name))) for name in ("anna", "robert")}
    see_through(sites, plan, weights, tmp_path / "plain")
    assert asked == [("train", False)] * 4
    asked.clear()
    end = see_through(sites, dataclasses.replace(plan, alignment=0.01), weights, tmp_path / "aligned")
    assert asked == [("query", False)] * 2 + [("train", True)] * 4
    assert end.moments is not None
    assert end.moments.mean.shape == (16,)


def test_a_site_that_sends_no_statistics_ends_a_federation_that_asks_for_them(
    tmp_path: Path, make_site: MakeSite, plan: Plan, weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    private = dataclasses.replace(make_site("anna"), statistics=False)
    sites = {"anna": answering(private), "robert": answering(make_site("robert"))}
    with pytest.raises(ValueError, match="1 of at least 2 sites"):
        see_through(sites, dataclasses.replace(plan, alignment=0.01), weights, tmp_path)
    assert "anna's statistics are left out: it says: this site sends no statistics" in capsys.readouterr().out


def test_what_fails_at_a_site_is_told_without_names_of_files(
    tmp_path: Path, make_site: MakeSite, plan: Plan, weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    site = make_site("anna")
    (site.place.data / "mine" / "2.png").write_bytes(b"secret")
    for number in range(2):
        (site.place.data / "mine" / f"{number}.png").unlink()
    answer = answering(site)
    replies: list[Message] = []

    def kept(message: Message) -> Message:
        replies.append(answer(message))
        return replies[-1]

    see_through({"anna": kept, "bert": sending(0.01, 1)}, plan, weights, tmp_path)
    assert all(reply.has_error() for reply in replies)
    assert len(replies) == 2
    assert str(tmp_path) not in "".join(str(reply.error.reason) for reply in replies)
    assert "2.png" not in "".join(str(reply.error.reason) for reply in replies)
    assert "anna is left out: it says: it failed (" in capsys.readouterr().out
