"""What a detector takes for damage in sound photographs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.conftest import make_photo
from training import damaged_samples
from training.damaged_samples import Pictures
from training.mistaken import LEAST_PX, mistaken_crops


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
