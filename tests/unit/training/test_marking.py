"""Masks drawn from annotations: what each word of the grammar marks."""

from pathlib import Path

import numpy as np
import pytest

from training.marked import ANNOTATIONS, DAMAGE, IGNORE
from training.marking.draw import draw_mask
from training.marking.grammar import Annotation, Mark, read_annotation

GREY = 90


@pytest.fixture
def picture() -> np.ndarray:
    """Flat, with a bright line of two pixels that wavers, a dark speck, and a bright square."""
    pixels = np.full((80, 100, 3), GREY, np.uint8)
    pixels += (np.indices((80, 100)).sum(0) % 2).astype(np.uint8)[..., None]
    for column in range(10, 90):
        row = 20 + round(3 * np.sin(column / 12))
        pixels[row : row + 2, column] = 220
    pixels[49:52, 29:32] = 15
    pixels[60:70, 60:75] = 200
    return pixels


def draw(pixels: np.ndarray, *marks: Mark) -> np.ndarray:
    return draw_mask(Annotation("made.png", marks), pixels)


def test_a_line_snaps_to_its_ridge(picture: np.ndarray) -> None:
    mask = draw(picture, Mark("L", ("b", "4"), ((12, 23), (50, 17), (88, 23))))
    line = picture[:40, 15:85, 0] > 200
    found = mask[:40, 15:85] == DAMAGE
    assert (found & line).sum() > 0.95 * line.sum()
    assert (found & ~line).sum() < 0.1 * line.sum()


def test_specks_and_thresholds_take_what_stands_out(picture: np.ndarray) -> None:
    corners = ((55, 55), (80, 55), (80, 75), (55, 75))
    mask = draw(picture, Mark("S", ("d", "3"), ((30, 50),)), Mark("T", ("b", "150"), corners))
    assert (mask[49:52, 29:32] == DAMAGE).all()
    assert (mask[60:70, 60:75] == DAMAGE).all()
    assert (mask == DAMAGE).sum() == 9 + 150


def test_a_speck_that_hardly_stands_out_is_nobodys(picture: np.ndarray) -> None:
    mask = draw(picture, Mark("S", ("b", "2"), ((50, 40),)))
    assert mask[40, 50] == IGNORE
    assert not (mask == DAMAGE).any()


def test_damage_wins_over_ignore_and_sound_over_damage(picture: np.ndarray) -> None:
    square = ((5, 40), (25, 40), (25, 60), (5, 60))
    inner, corner = ((10, 45), (15, 45), (15, 50), (10, 50)), ((10, 45), (12, 45), (12, 47), (10, 47))
    mask = draw(picture, Mark("I", (), square), Mark("P", (), inner), Mark("Z", (), corner))
    assert mask[42, 7] == IGNORE
    assert mask[49, 14] == DAMAGE
    assert mask[46, 11] == 0


def test_what_was_not_examined_is_nobodys(picture: np.ndarray) -> None:
    mask = draw(picture, Mark("O", (), ((0, 0), (49, 0), (49, 79), (0, 79))))
    assert not mask[:, :50].any()
    assert (mask[:, 50:] == IGNORE).all()


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("source: x.png\nL b 2: 1,2 3\n")
    with pytest.raises(ValueError, match=r"x\.txt:2"):
        read_annotation(file)


def test_every_annotation_can_be_read() -> None:
    files = [file for file in ANNOTATIONS.glob("*/*.txt") if file.stem != "sound"]
    assert len(files) >= 80
    for file in files:
        annotation = read_annotation(file)
        assert annotation.source.startswith(file.stem)
        assert annotation.marks
