"""Samples of real damage, and of all the kinds that the detector learns from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import make_photo
from tests.unit.training.test_damage import sources as film_sources  # noqa: F401 - a fixture
from tests.unit.training.test_prints import sources as print_sources  # noqa: F401 - a fixture
from training.damaged_samples import Pictures, Shares, draw_sheets, make_sample
from training.degradations.sources import DamageSources, PrintSources
from training.marked import (
    ANNOTATIONS,
    DAMAGE,
    IGNORE,
    TEST_PRINTS,
    VALIDATION_PRINTS,
    MarkedPrint,
    load_marked_prints,
    marked_patch,
    transplant,
    weight_of,
)


@pytest.fixture
def marked(tmp_path: Path) -> list[MarkedPrint]:
    """A photograph with a white bar, of which one end is ignored."""
    photo = make_photo(120, 140)
    photo[40:44, 20:100] = 255
    mask = np.zeros((120, 140), np.uint8)
    mask[40:44, 20:80], mask[40:44, 80:100] = DAMAGE, IGNORE
    for folder, pixels in (("domain", photo), ("masks", mask)):
        (tmp_path / folder / "old").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / folder / "old" / "bar.png")
    return load_marked_prints(tmp_path, tmp_path / "masks")


def test_a_marked_print_knows_what_lies_below_its_damage(marked: list[MarkedPrint]) -> None:
    (bar,) = marked
    assert bar.name == "old/bar"
    assert bar.share == pytest.approx(4 * 60 / (120 * 140))
    assert bar.mended[:, 41:43, 30:70].float().mean() < 230
    away = (bar.mask == 0)[0, 60:]
    assert torch.equal(bar.mended[:, 60:][:, away], bar.image[:, 60:][:, away])


def test_prints_can_be_left_out(marked: list[MarkedPrint], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no masks"):
        load_marked_prints(tmp_path, tmp_path / "masks", without=("bar",))


def test_damage_ignored_places_and_rims_keep_their_weights() -> None:
    mask = torch.zeros((1, 9, 9), dtype=torch.uint8)
    mask[0, 3:6, 3:6], mask[0, 8] = DAMAGE, IGNORE
    weight = weight_of(mask)[0]
    assert weight[4, 4] == weight[0, 0] == 1
    assert 0 < weight[2, 4] < 1
    assert (weight[8] == 0).all()


def test_a_patch_says_where_its_damage_is(marked: list[MarkedPrint]) -> None:
    seen = 0
    for seed in range(12):
        lq, target, weight = marked_patch(marked, 64, torch.Generator().manual_seed(seed))
        assert lq.shape == (3, 64, 64)
        assert target.shape == weight.shape == (1, 64, 64)
        seen += bool(target.any())
    assert seen >= 6


def test_transplanted_damage_changes_only_its_place(marked: list[MarkedPrint]) -> None:
    gt = torch.full((3, 64, 64), 0.4)
    for seed in range(12):
        lq, alpha = transplant(gt, marked, torch.Generator().manual_seed(seed))
        near = torch.nn.functional.max_pool2d(alpha[None], 3, 1, 1)[0].expand_as(gt) > 0
        assert torch.equal(lq[~near], gt[~near])


def test_transplanted_damage_that_cannot_be_seen_is_none(marked: list[MarkedPrint]) -> None:
    white = torch.ones(3, 64, 64)
    targets = [transplant(white, marked, torch.Generator().manual_seed(seed)) for seed in range(12)]
    assert all((lq.amin(0)[alpha[0] > 0] < 1).all() for lq, alpha in targets)
    assert not all(alpha.any() for _, alpha in targets)


@pytest.mark.parametrize("kind", Shares.__slots__)
def test_every_kind_of_sample_is_made(
    kind: str,
    marked: list[MarkedPrint],
    film_sources: DamageSources,  # noqa: F811 - a fixture
    print_sources: PrintSources,  # noqa: F811 - a fixture
) -> None:
    photos = [torch.from_numpy(make_photo(220, 240, seed)).permute(2, 0, 1) for seed in range(3)]
    pictures = Pictures(photos, film_sources, print_sources, marked, draw_sheets(photos, 2), photos)
    shares = replace(Shares(*[0.0] * len(Shares.__slots__)), **{kind: 1.0})
    for seed in range(4):
        lq, target, weight = make_sample(pictures, shares, 64, torch.Generator().manual_seed(seed))
        assert lq.shape == (3, 64, 64)
        assert target.shape == weight.shape == (1, 64, 64)
        assert torch.allclose((lq * 255).round() / 255, lq, atol=1e-6)
        if kind in ("sound", "drawn", "old", "night"):
            assert not target.any()


def test_test_and_validation_prints_are_marked_and_apart() -> None:
    names = {file.stem for file in ANNOTATIONS.glob("*/*.txt")}
    assert names >= {*TEST_PRINTS, *VALIDATION_PRINTS}
    assert not set(TEST_PRINTS) & set(VALIDATION_PRINTS)
