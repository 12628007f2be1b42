"""Learning where a detector need not finish: what a cell counts, what is made once, and what the figures mean."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from photorestore.networks.runner import Runner, load_runner
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.stages.scratch.glance_network import Glance, gathered
from photorestore.stages.scratch.network import ScratchUNet
from tests.conftest import make_photo
from training import glance_samples
from training.damaged_samples import Shares
from training.detectors import Detector
from training.glance_samples import Plan, draw, look, make
from training.glance_validation import LEAST_KEPT, Held, evaluate
from training.train_scratch_glance import CERTAIN_LOGIT, LIMITS, MISSED_WEIGHT, fold_threshold, glance_loss

WIDTHS = (8, 16)
CELL_PX = 4


def small_detector() -> Detector:
    torch.manual_seed(0)
    network = ScratchUNet(WIDTHS).eval().requires_grad_(False)
    torch.nn.init.normal_(network.tail.weight)
    return Detector(Runner(network, precision="float32"), load_runner(TRUNK))


def test_a_missed_cell_costs_more_than_a_false_one() -> None:
    far = 20.0
    missed = glance_loss(
        torch.full((1, 1, 1, 1), LIMITS[0] - far), torch.full((1, 1, 1, 1), CERTAIN_LOGIT + far)
    )
    false = glance_loss(
        torch.full((1, 1, 1, 1), CERTAIN_LOGIT + far), torch.full((1, 1, 1, 1), LIMITS[0] - far)
    )
    short = [far + limit - LIMITS[0] for limit in LIMITS]
    over = [far + CERTAIN_LOGIT - limit for limit in LIMITS]
    assert float(missed / false) == pytest.approx(MISSED_WEIGHT * sum(short) / sum(over), rel=1e-3)


def test_the_loss_is_least_where_the_glance_says_what_the_detector_does() -> None:
    most = torch.linspace(-6, 12, 19).view(1, 1, 1, 19)
    losses = [float(glance_loss(most + off, most)) for off in (-3, 0, 6)]
    assert losses[1] == min(losses)


@pytest.mark.parametrize("threshold", [-1.5, 3.0])
def test_zero_decides_where_the_chosen_threshold_did(threshold: float) -> None:
    network, features = Glance(WIDTHS).eval(), torch.rand(2, sum(WIDTHS), 5, 6)
    with torch.no_grad():
        before = network.judge(features)
        fold_threshold(network, threshold)
        torch.testing.assert_close(network.judge(features), before - threshold)


def test_what_a_glance_is_given_and_what_is_found_are_those_of_the_detector() -> None:
    detector = small_detector()
    lq = torch.from_numpy(make_photo(39, 50).transpose(2, 0, 1).copy()) / 255
    features, logits = look(detector, lq)
    network = detector.network.network
    assert isinstance(network, ScratchUNet)
    torch.testing.assert_close(logits, network(lq[None]))
    torch.testing.assert_close(features, gathered(network.encoded(lq[None])).half())
    assert features.shape == (1, sum(WIDTHS), 10, 13)


def test_samples_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    def picture(_plan: Plan, _pictures: object, rng: torch.Generator) -> Tensor:
        made.append(float(torch.rand((), generator=rng)))
        return torch.full((3, 16, 16), made[-1])

    monkeypatch.setattr(glance_samples, "_picture", picture)
    monkeypatch.setattr(glance_samples, "SHARD", 2)
    plan = Plan(Shares(1, 0, 0, 0, 0, 0, 0, 0), 0.5, 16, 4, 7)
    features, most = make(tmp_path, plan, None, small_detector())  # type: ignore[arg-type]
    assert features.shape == (4, sum(WIDTHS), 4, 4)
    assert most.shape == (4, 1, 4, 4)
    (tmp_path / "1.pt").unlink()
    again, _ = make(tmp_path, plan, None, small_detector())  # type: ignore[arg-type]
    assert torch.equal(again, features)
    assert made[4:] == made[2:4], "the file that was missing is made anew, and no other"


def test_every_sample_is_drawn_before_one_comes_again() -> None:
    most = torch.arange(6.0).view(6, 1, 1, 1)
    batches = draw(most.half(), most.half(), 2, torch.Generator().manual_seed(0))
    seen = [batch for batch, _ in (next(batches) for _ in range(3))]
    assert sorted(torch.cat(seen).flatten().tolist()) == [0, 1, 2, 3, 4, 5]


def held() -> Sequence[Held]:
    """A picture of 40 x 40 px in which two cells are marked, and one without; the first feature tells which."""
    prob = np.zeros((1, 160, 160), np.uint16)
    features = torch.zeros(1, 1, 40, 40)
    for row, column, told in ((5, 5, 3.0), (30, 20, 1.0)):
        prob[:, CELL_PX * row :, CELL_PX * column :][:, :CELL_PX, :CELL_PX] = 65535
        features[..., row, column] = told
    sound = Held(torch.zeros(1, 1, 40, 40), np.zeros_like(prob), False, CELL_PX)
    return [Held(features, prob, True, CELL_PX), sound]


class Telling(Glance):
    """Says what it is given."""

    def judge(self, features: Tensor) -> Tensor:
        return features


@pytest.mark.parametrize(("threshold", "kept"), [(2.0, 0.5), (0.5, 1.0), (9.0, 0.0)])
def test_what_is_decoded_is_kept(threshold: float, kept: float) -> None:
    found = evaluate(Runner(Telling((1,)), precision="float32"), held(), threshold=threshold)
    assert found["kept"] == kept
    assert found["skipped_sound"] == found["whole_sound"] == 1
    assert found["decoded_sound"] == 0
    assert found["whole_damaged"] == (threshold == 9)
    assert (found["decoded_damaged"] > 0) == (threshold < 9)


def test_the_highest_threshold_that_keeps_enough_is_chosen() -> None:
    found = evaluate(Runner(Telling((1,)), precision="float32"), held())
    assert found["kept"] >= LEAST_KEPT
    assert found["threshold"] == pytest.approx(1.0, abs=0.05)
