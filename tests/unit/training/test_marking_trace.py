"""Spots of a mask, written as marks."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from training.marked import DAMAGE
from training.marking import __main__ as marking
from training.marking.draw import draw_mask
from training.marking.grammar import read_annotation
from training.marking.trace import trace


@pytest.fixture
def mask() -> np.ndarray:
    """Spots as they come: jagged, some with holes, some one pixel wide; and a ring with a spot inside."""
    noise = np.random.default_rng(3).normal(size=(90, 120))
    found = ndimage.gaussian_filter(noise, 1.2) > 0.25
    found[10:50, 10:60] = False
    found[12:40, 12:50] = True
    found[15:37, 15:47] = False
    found[25, 20:30] = True
    return found


def drawn(lines: list[str], folder: Path, shape: tuple[int, int]) -> np.ndarray:
    (folder / "a.txt").write_text("\n".join(("source: a.png", *lines)))
    return draw_mask(read_annotation(folder / "a.txt"), np.full((*shape, 3), 90, np.uint8)) == DAMAGE


def test_what_is_traced_is_drawn_as_it_was(mask: np.ndarray, tmp_path: Path) -> None:
    points = [(int(x), int(y)) for y, x in np.argwhere(mask)]
    np.testing.assert_array_equal(drawn(trace(mask, points), tmp_path, mask.shape), mask)


def test_only_the_spot_at_a_point_is_traced_and_once(mask: np.ndarray, tmp_path: Path) -> None:
    lines = trace(mask, [(22, 25), (28, 25)])
    assert len(lines) == 1
    found = drawn(lines, tmp_path, mask.shape)
    assert found[25, 20:30].all()
    assert found.sum() == 10


def test_a_point_off_every_spot_is_an_error(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="30,18"):
        trace(mask, [(30, 18)])


def test_traces_are_printed(
    mask: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "found.png")
    monkeypatch.setattr(sys, "argv", ["marking", "trace", str(tmp_path / "found.png"), "22,25"])
    marking.main()
    assert capsys.readouterr().out == "P: 20,25 29,25\n"
