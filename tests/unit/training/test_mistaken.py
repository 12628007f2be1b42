"""What a detector takes for damage in sound photographs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.conftest import make_photo
from training import damaged_samples
from training.damaged_samples import Pictures
from training.marked import DAMAGE, IGNORE, MarkedPrint, marked_patch, sound_print
from training.mistaken import LEAST_PX, NEAR_PX, mistaken_crops, mistaken_prints


def finds_red(image: Tensor) -> Tensor:
    """Take what is red for damage, as logits (N, 1, H, W)."""
    return 40 * (image[:, :1] - image[:, 1:2]) - 8


def photo(red: tuple[slice, slice] | None) -> Tensor:
    made = torch.full((3, 200, 240), 90, dtype=torch.uint8)
    if red is not None:
        made[0, red[0], red[1]] = 255
    return made


@pytest.fixture(autouse=True)
def unaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the photographs as they are: aged ones are mostly grey."""
    monkeypatch.setattr("training.mistaken.age", lambda gt, rng: gt)


def test_the_part_with_most_mistakes_is_cut_out() -> None:
    rng = torch.Generator().manual_seed(0)
    wrong = (slice(150, 170), slice(200, 220))
    (crop,) = mistaken_crops(finds_red, [photo(wrong)], 96, rng)
    assert crop.shape == (3, 96, 96)
    assert crop.dtype == torch.uint8
    assert (crop[0] == 255).sum() == 400


def test_photographs_without_mistakes_are_left_out() -> None:
    rng = torch.Generator().manual_seed(0)
    few = (slice(20, 21), slice(20, 20 + LEAST_PX - 2))
    assert mistaken_crops(finds_red, [photo(None), photo(few)], 96, rng) == []


def test_a_photograph_smaller_than_a_crop_is_taken_whole() -> None:
    rng = torch.Generator().manual_seed(0)
    (crop,) = mistaken_crops(finds_red, [photo((slice(5, 30), slice(5, 30)))], 416, rng)
    assert crop.shape == (3, 200, 240)


def test_samples_are_cut_where_the_detector_was_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    photos = [torch.from_numpy(make_photo(220, 240, 0)).permute(2, 0, 1)]
    pictures = Pictures(photos, None, None, [], [], photos)  # type: ignore[arg-type]
    assert pictures.sound(rng) is photos
    hard = replace(pictures, mistaken=[photos[0][:, :100, :100]])
    chosen = [hard.sound(rng) is hard.mistaken for _ in range(400)]
    assert abs(sum(chosen) / 400 - damaged_samples.MISTAKEN_SHARE) < 0.08


def marked_print(red: tuple[slice, slice], damage: tuple[slice, slice], value: int = DAMAGE) -> MarkedPrint:
    """A print that is red in one place and marked in another."""
    image, mask = photo(red), torch.zeros((1, 200, 240), dtype=torch.uint8)
    mask[0, damage[0], damage[1]] = value
    return MarkedPrint("made", image, mask, image, 0.01)


def test_a_print_is_wrong_where_damage_is_missed_and_where_sound_places_are_taken_for_it() -> None:
    red, damage = (slice(10, 20), slice(10, 30)), (slice(100, 110), slice(50, 60))
    (found,) = mistaken_prints(finds_red, [marked_print(red, damage)])
    assert found.wrong is not None
    assert found.wrong[0, red[0], red[1]].all()
    assert found.wrong[0, damage[0], damage[1]].all()
    assert found.wrong.sum() == 200 + 100
    assert found.share == pytest.approx(300 / (200 * 240))


def test_rims_ignored_places_and_prints_without_mistakes_are_left_out() -> None:
    place = (slice(100, 110), slice(50, 60))
    wider = (slice(100 - NEAR_PX, 110 + NEAR_PX), slice(50 - NEAR_PX, 60 + NEAR_PX))
    right = marked_print(wider, place)
    ignored = marked_print(place, place, IGNORE)
    assert mistaken_prints(finds_red, [right, ignored, sound_print(photo(None))]) == []


def test_patches_of_prints_are_cut_where_the_detector_was_wrong() -> None:
    red, damage = (slice(180, 200), slice(220, 240)), (slice(0, 20), slice(0, 20))
    right = marked_print(red, damage)
    (wrong,) = mistaken_prints(finds_red, [sound_print(right.image)])
    rng = torch.Generator().manual_seed(0)
    patches = [marked_patch([replace(right, wrong=wrong.wrong)], 64, rng) for _ in range(60)]
    assert sum(bool(target.any()) for _, target, _ in patches) < 20
    patches = [marked_patch([right], 64, rng) for _ in range(60)]
    assert sum(bool(target.any()) for _, target, _ in patches) > 30


def test_half_of_the_patches_of_prints_are_hard_ones() -> None:
    rng = torch.Generator().manual_seed(0)
    marked = [sound_print(photo(None))]
    pictures = Pictures([], None, None, marked, [], [])  # type: ignore[arg-type]
    assert pictures.real(rng) is marked
    hard = replace(pictures, hard=[sound_print(photo(None))])
    chosen = [hard.real(rng) is hard.hard for _ in range(400)]
    assert abs(sum(chosen) / 400 - damaged_samples.HARD_SHARE) < 0.08
