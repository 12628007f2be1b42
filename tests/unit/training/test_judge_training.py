"""Learning and measuring the judgement: only what is known counts, and probabilities are true in the end."""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from photorestore.stages.preprocess.network import FLAGS, KINDS, JudgeNet
from training.data import Batch
from training.judged.pictures import UNKNOWN
from training.judgement_validation import calibrate, evaluate
from training.train_preprocess_judge import AGAIN, KEPT, as_input, judgement_loss, seen_again

COUNT = len(KINDS) + len(FLAGS)


def numbered() -> Iterator[Batch]:
    """Batches of four samples that hold the number of their batch."""
    for number in itertools.count():
        yield torch.full((4,), number), torch.full((4, 2), -number)


def test_each_new_batch_is_followed_by_mixtures_of_older_ones() -> None:
    drawn = list(itertools.islice(seen_again(numbered(), 0), 40))
    new, mixed = drawn[:8], drawn[8:]
    assert [int(batch[0][0]) for batch in new] == list(range(8))
    groups = [mixed[start : start + 1 + AGAIN] for start in range(0, 32, 1 + AGAIN)]
    for number, (fresh, *again) in enumerate(groups, 8):
        assert fresh[0].tolist() == 4 * [number]
        for first, second in again:
            assert (first[0], first[2]) == (first[1], first[3])  # half of one batch, half of another
            assert int(first.max()) <= number
            assert torch.equal(second[:, 0], -first)  # parts of a sample stay together


def test_batches_that_lie_far_back_are_not_learned_from_again() -> None:
    drawn = list(itertools.islice(seen_again(numbered(), 0), 8 + (KEPT + 50) * (1 + AGAIN)))
    newest = KEPT + 57
    late = [int(batch[0].min()) for batch in drawn[-40:]]
    assert min(late) > newest - KEPT - 40 // (1 + AGAIN)


def test_the_same_seed_mixes_alike() -> None:
    first, again, other = (list(itertools.islice(seen_again(numbered(), seed), 60)) for seed in (1, 1, 2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))


def logits_for(kind: Tensor, flags: Tensor, certainty: float = 8.0) -> Tensor:
    """Logits of a network that is right."""
    logits = torch.zeros(len(kind), COUNT)
    logits[torch.arange(len(kind)), kind.clamp_min(0)] = certainty
    logits[:, len(KINDS) :] = certainty * (2 * flags.clamp_min(0) - 1)
    return logits


def test_what_is_not_known_costs_nothing() -> None:
    kind, flags = torch.tensor([0, -1]), torch.tensor([[1.0, 0.0, 1.0, 0.0], [UNKNOWN] * 4])
    logits = logits_for(kind, flags)
    right = judgement_loss(logits, kind, flags)
    logits[1] = 50 * torch.randn(COUNT, generator=torch.Generator().manual_seed(0))
    assert torch.equal(judgement_loss(logits, kind, flags), right)
    logits[0, len(KINDS)] *= -1  # one flag of four is wrong
    assert float(judgement_loss(logits, kind, flags) - right) == pytest.approx(2 * 8 / 4, rel=0.01)


def test_a_batch_without_any_known_flag_can_be_learned_from() -> None:
    kind, flags = torch.tensor([1, 2]), torch.full((2, 4), float(UNKNOWN))
    logits = torch.zeros(2, COUNT, requires_grad=True)
    judgement_loss(logits, kind, flags).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert not logits.grad[:, len(KINDS) :].any()


def test_a_view_and_its_crops_are_flipped_together() -> None:
    view = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6).byte()
    crops = view.clone()
    seen = set()
    torch.manual_seed(0)
    for _ in range(40):
        first, second = as_input(view, crops)
        assert torch.equal(first, second)
        assert float(first.max()) <= 1
        seen.add(tuple((first * 255).round().flatten().tolist()))
    assert len(seen) == 4  # as it is, upright, level, both


class Told:
    """Stands in for a network: its answer is written in the first pixels of the view."""

    def __call__(self, view: Tensor, crops: Tensor) -> Tensor:
        return (view * 255).round().flatten(1)[:, :COUNT] - 100


def batch_of(logits: Tensor, kind: Tensor, flags: Tensor) -> Batch:
    views = torch.zeros(len(kind), 1, 4, 4)
    views.view(len(kind), -1)[:, :COUNT] = logits + 100
    return views.byte(), torch.zeros(len(kind), 1, 2, 2).byte(), kind, flags


def test_figures_are_shares_of_what_is_known() -> None:
    kind = torch.tensor([0, 0, 1, -1])
    flags = torch.zeros(4, 4)
    flags[:2, 0] = 1  # two are damaged
    flags[3, 0] = UNKNOWN
    logits = logits_for(kind, flags)
    logits[1, 0], logits[1, 1] = 0, 8  # the second one is taken for another kind,
    logits[1, len(KINDS)] = -8  # and its damage is missed;
    logits[2, len(KINDS)] = 8  # the third one is taken for damaged,
    logits[3, len(KINDS)] = 8  # and so is one of which nobody knows
    whole = {KINDS[0]: batch_of(logits, kind, flags)[:2]}
    found = evaluate(Told(), batch_of(logits, kind, flags), whole)  # type: ignore[arg-type]
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert (found[KINDS[0]], found[KINDS[1]]) == (0.5, 1.0)
    assert (found[f"{FLAGS[0]}_recall"], found[f"{FLAGS[0]}_precision"]) == (0.5, 0.5)
    assert found[f"whole_{KINDS[0]}"] == 0.5  # the first, and the one that nobody knows


def test_calibration_makes_probabilities_true() -> None:
    rng = torch.Generator().manual_seed(0)
    network, count = JudgeNet((8, 8, 8)), 1500
    chances = torch.rand((count, COUNT), generator=rng) * 4 - 2  # the true logits
    kind = torch.multinomial(chances[:, : len(KINDS)].softmax(1), 1, generator=rng)[:, 0]
    flags = torch.bernoulli(chances[:, len(KINDS) :].sigmoid(), generator=rng)
    last = network.head[-1]
    assert isinstance(last, torch.nn.Linear)
    weight, bias = last.weight.detach().clone(), last.bias.detach().clone()
    calibrate(network, 3 * chances, (torch.empty(0), torch.empty(0), kind, flags))  # three times too sure
    ratio = weight / last.weight.detach()
    assert ratio.median(1).values.tolist() == pytest.approx(COUNT * [3], rel=0.15)
    torch.testing.assert_close(bias / last.bias.detach(), ratio.median(1).values)


def test_flags_that_nobody_knows_do_not_calibrate() -> None:
    network = JudgeNet((8, 8, 8))
    logits, kind = (
        torch.randn((50, COUNT), generator=torch.Generator().manual_seed(0)),
        torch.zeros(50).long(),
    )
    flags = (logits[:, len(KINDS) :] > 0).float()
    flags[25:], logits[25:, len(KINDS) :] = UNKNOWN, 0
    same = flags.clone()
    half = JudgeNet((8, 8, 8))
    half.load_state_dict(network.state_dict())
    calibrate(network, logits, (torch.empty(0), torch.empty(0), kind, flags))
    logits[25:, len(KINDS) :] = -99  # whatever is said of them
    calibrate(half, logits, (torch.empty(0), torch.empty(0), kind, same))
    for one, other in zip(network.parameters(), half.parameters(), strict=True):
        assert torch.equal(one, other)
