"""Holes that a caller marks: of their sizes, the same each time, and measured where they are."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import holes
from bench.holes import CLASSES, draw_mask, measure, with_holes
from photorestore.errors import UnsupportedOption
from photorestore.options import Options
from tests.conftest import make_photo

SHARES = {"thin": (0.01, 0.1), "blobs": (0.03, 0.14), "boxes": (0.03, 0.14), "quarter": (0.25, 0.25)}


def masks_of(kind: str, count: int = 8) -> list[np.ndarray]:
    return [draw_mask(CLASSES[kind], (200, 300), np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("kind", CLASSES)
def test_holes_cover_the_share_that_the_documentation_says(kind: str) -> None:
    masks = masks_of(kind)
    assert all(mask.shape == (200, 300) and set(np.unique(mask)) == {0, 255} for mask in masks)
    least, most = SHARES[kind]
    assert least <= np.mean([(mask > 0).mean() for mask in masks]) <= most


@pytest.mark.parametrize("kind", CLASSES)
def test_the_seed_decides_where_holes_are(kind: str) -> None:
    first, second = masks_of(kind, 2)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, masks_of(kind, 1)[0])


def test_a_quarter_is_one_box_that_lies_wholly_inside() -> None:
    for mask in masks_of("quarter", 20):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert (len(rows), len(columns)) == (100, 150)
        assert (mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 255).all()


def test_nothing_of_what_is_marked_is_left_to_see() -> None:
    gt, mask = make_photo(60, 80), np.zeros((60, 80), np.uint8)
    mask[10:30, 20:50] = 255
    lq = with_holes(gt, mask, np.random.default_rng(1))
    inside = lq[mask > 0]
    assert (inside == inside[0]).all()
    assert (gt == inside[0]).all(2).any()  # a colour of the picture
    assert np.array_equal(lq[mask == 0], gt[mask == 0])


def test_only_errors_inside_the_holes_count() -> None:
    gt, mask = np.full((10, 10, 3), 100, np.uint8), np.zeros((10, 10), np.uint8)
    mask[:2] = 255
    filled = gt.copy()
    filled[:2] += 51  # a fifth of the range
    filled[5:] = 0
    assert holes._psnr_inside(filled, gt, mask) == pytest.approx(20 * math.log10(5))


class Filling:
    """Stands in for the pipeline: fills what is marked by one value, and may spoil a pixel outside."""

    def __init__(self, value: int, *, spoils: bool = False) -> None:
        self.value, self.spoils = value, spoils

    def restore(self, lq: np.ndarray, options: Options, mask: np.ndarray) -> "Filling":
        if options.format != "png":
            raise UnsupportedOption("a lossy format would change pixels outside of the mask")
        self.image = np.where(mask[..., None] > 0, np.uint8(self.value), lq)
        if self.spoils:
            row, column = np.argwhere(mask == 0)[0]
            self.image[row, column] ^= 1
        return self


@pytest.fixture
def root(tmp_path: Path) -> Path:
    chequered = 88 + 4 * (np.indices((64, 96)).sum(0) % 2)  # so that no method fills it without an error
    for name in holes.SETS:
        (tmp_path / name).mkdir()
        Image.fromarray(chequered.astype(np.uint8)[..., None].repeat(3, 2)).save(tmp_path / name / "even.png")
    return tmp_path


def test_every_class_is_measured_beside_the_classical_methods(root: Path) -> None:
    found = measure(root, Filling(80), every=1)  # type: ignore[arg-type]
    assert found["set"] == f"2 pictures of {' and '.join(holes.SETS)}"
    assert list(found["psnr_inside_db"]) == list(CLASSES)
    for kind, methods in found["psnr_inside_db"].items():
        assert set(methods) == {"ours", *holes.BASELINES}
        assert methods["ours"]["mean"] == pytest.approx(
            10 * math.log10(255**2 / 104), abs=0.1
        )  # 8 and 12 off
        assert methods["ours"]["n"] == found["gain_over_db"][kind]["Telea"]["n"] == 2


def test_a_pixel_that_changes_outside_the_mask_is_an_error(root: Path) -> None:
    with pytest.raises(RuntimeError, match=r"even.*thin.*outside the mask"):
        measure(root, Filling(80, spoils=True), every=1)  # type: ignore[arg-type]


def test_results_are_drawn_beside_what_was_given(root: Path, tmp_path: Path) -> None:
    measure(root, Filling(80), every=2, pictures=tmp_path / "drawn")  # type: ignore[arg-type]
    drawn = sorted(tmp_path.glob("drawn/*.png"))
    assert len(drawn) == len(CLASSES)
    with Image.open(drawn[0]) as picture:
        assert picture.size == (96 * (2 + len(holes.BASELINES)), 64)
