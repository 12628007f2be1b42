"""The detector that the translator learns with."""

from __future__ import annotations

from pathlib import Path

import torch

from photorestore.networks.weights import FAST, default_root
from training.imperfect_masks import detect
from training.train_translate import load_detector


def test_the_detector_of_today_marks_patches() -> None:
    detector = load_detector(FAST, default_root())
    assert detector is not None
    mask, certainty = detect(torch.full((3, 64, 96), 0.5), detector, threshold=0.35, grow_px=2)
    assert mask.shape == certainty.shape == (1, 64, 96)
    assert not mask.any()


def test_a_quality_run_takes_the_fast_detector_where_there_is_no_other() -> None:
    assert load_detector("quality", default_root()) is not None


def test_without_weights_there_is_no_detector(tmp_path: Path) -> None:
    assert load_detector(FAST, tmp_path) is None
