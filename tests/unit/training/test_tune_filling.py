"""What limits of masks do to pictures, and how masks of several scales are scored."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from photorestore.stages.scratch import masks
from training import tune_masks
from training.marked import DAMAGE, IGNORE, MarkedPrint
from training.tune_filling import CAP_DB, FILLING, fill, score_made, score_real, score_sound
from training.tune_masks import Example, score


def example() -> tuple[Tensor, Tensor, Tensor]:
    """A grey picture, the same with a white bar, and how strongly that covers it."""
    gt, alpha = torch.full((3, 20, 20), 100 / 255), torch.zeros(1, 20, 20)
    alpha[:, 4:8] = 1
    return gt, torch.where(alpha > 0, 200 / 255, gt), alpha


class Filling:
    """Stands in for the pipeline: makes what is bright as dark as it is told."""

    def __init__(self, value: int, *, elsewhere: int = 0) -> None:
        self.value, self.elsewhere = value, elsewhere

    def restore(self, picture: np.ndarray, options: object) -> SimpleNamespace:
        assert options is FILLING
        image = picture.copy()
        image[picture == 200] = self.value
        image[:, -2:] += np.uint8(self.elsewhere)
        return SimpleNamespace(image=image)


def filling(value: int, *, elsewhere: int = 0) -> Any:
    return Filling(value, elsewhere=elsewhere)


def test_a_picture_goes_through_as_it_is_and_comes_back_in_its_range() -> None:
    _, lq, _ = example()
    restored = fill(filling(90), (255 * lq).round().byte())
    assert restored.shape == (3, 20, 20)
    assert sorted(round(255 * value) for value in restored.unique().tolist()) == [90, 100]


def test_gains_are_of_the_whole_and_of_the_damage_and_what_is_sound_is_capped() -> None:
    gain, inside, outside = score_made(filling(110), [example()])
    assert gain == pytest.approx(20)  # an error of 100 became one of 10, at the same places
    assert inside == pytest.approx(20)
    assert outside == CAP_DB
    _, _, outside = score_made(filling(110, elsewhere=51), [example()])
    assert outside == pytest.approx(20 * np.log10(5 * np.sqrt(10)), abs=1e-3)


def test_pictures_that_damage_has_missed_are_left_out() -> None:
    gt, _, alpha = example()
    missed = (gt, gt, torch.zeros_like(alpha))
    assert score_made(filling(110), [example(), missed]) == pytest.approx(
        score_made(filling(110), [example()])
    )


def test_a_sound_picture_that_stays_has_the_greatest_figure() -> None:
    assert score_sound(filling(110), [example()]) == pytest.approx([CAP_DB, 0])
    psnr_db, changed = score_sound(filling(110, elsewhere=51), [example()])
    assert psnr_db == pytest.approx(20 * np.log10(5 * np.sqrt(10)), abs=1e-3)
    assert changed == pytest.approx(10)  # two of twenty columns


def test_a_change_that_nobody_sees_is_none() -> None:
    assert score_sound(filling(110, elsewhere=7), [example()])[1] == 0


def test_what_changes_in_a_real_print_is_held_against_its_marks() -> None:
    _, lq, alpha = example()
    mask = torch.where(alpha > 0, DAMAGE, 0).to(torch.uint8)
    mask[:, :, -2:][mask[:, :, -2:] == 0] = IGNORE
    image = (255 * lq).round().byte()
    one = MarkedPrint("made", image, mask, image, 0.2)
    assert score_real(filling(110, elsewhere=51), [one]) == pytest.approx([1, 1, 1])
    assert score_real(filling(200), [one]) == pytest.approx([0, 0, 0])


def probability(value: float) -> np.ndarray:
    prob = np.zeros((1, 40, 40), np.uint16)
    prob[:, 10:14, 5:35] = round(65535 * value)
    return prob


def test_masks_are_scored_by_what_of_the_probability_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "FOLLOWED", masks.FOLLOWED)
    damaged = torch.zeros(1, 40, 40, dtype=torch.bool)
    damaged[:, 10:14, 5:35] = True
    half = np.zeros((1, 20, 20), np.uint16)
    one = Example(damaged, torch.zeros_like(damaged), [probability(0.6), half])
    assert score([one], 1, 0.5, 0.3) == "1.000  1.000  1.000"
    assert score([one], 1, 0.7, 0.3).split()[2] == "0.000"  # not sure enough: nothing is marked
    assert masks.FOLLOWED == 0.3


def test_an_example_is_looked_at_in_two_sizes() -> None:
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[:, 10:20] = 255
    damaged = torch.zeros(1, 40, 60, dtype=torch.bool)

    def network(given: Tensor) -> Tensor:
        return 20 * given.mean(1, keepdim=True) - 10

    found = tune_masks.example(network, image, damaged, damaged)  # type: ignore[arg-type]
    assert [prob.shape for prob in found.probs] == [(1, 40, 60), (1, 20, 30)]
    assert all(prob.dtype == np.uint16 for prob in found.probs)
    assert found.probs[0][0, 15, 5] > 65500
    assert found.probs[0][0, 30, 5] < 100
    assert found.probs[1][0, 7, 2] > 65500
