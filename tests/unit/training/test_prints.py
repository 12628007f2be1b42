"""Damage of prints is reproducible, stays in range, says truly what it changed, and keeps its held-out shapes apart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.conftest import make_photo
from training.degradations import prints
from training.degradations.prints import breaks, damage_print
from training.degradations.prints.breaks import crack_shape
from training.degradations.sources import PrintSources, load_crack_shapes


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def sources() -> PrintSources:
    shape = torch.zeros((320, 480), dtype=torch.uint8)
    for column in range(480):
        shape[160 + round(30 * np.sin(column / 40)), column] = 255
    return PrintSources((shape,))


@pytest.fixture(scope="module")
def gt() -> Tensor:
    return torch.from_numpy(make_photo(120, 150)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("seed", range(24))
def test_pixels_without_alpha_are_hardly_changed_and_the_seed_decides(
    seed: int, sources: PrintSources, gt: Tensor
) -> None:
    lq, alpha = damage_print(gt, sources, seeded(seed))
    again, _ = damage_print(gt, sources, seeded(seed))
    assert torch.equal(lq, again)
    assert lq.shape == gt.shape
    assert alpha.shape == (1, 120, 150)
    assert lq.min() >= 0
    assert lq.max() <= 1
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    untouched = (alpha == 0).expand_as(gt)
    assert (lq - gt)[untouched].abs().max() <= 2 * breaks.SHADING


@pytest.mark.parametrize("kind", range(len(prints.KINDS)))
def test_every_kind_of_damage_marks_something_but_not_everything(
    kind: int, sources: PrintSources, gt: Tensor
) -> None:
    shares = [
        float((prints.KINDS[kind](gt, sources, seeded(seed))[1] > 0.1).float().mean()) for seed in range(8)
    ]
    assert max(shares) > 0.001
    assert np.mean(shares) < 0.5


def test_a_crop_of_a_crack_has_the_size_that_was_asked_for(sources: PrintSources) -> None:
    for seed in range(10):
        shape = crack_shape(400, 200, sources.cracks, seeded(seed))
        assert shape.shape == (400, 200)
        assert set(shape.unique().tolist()) <= {0, 255}


def test_shapes_are_parted_by_the_hash_of_their_file(tmp_path: Path) -> None:
    folder = tmp_path / "domain" / "crack_shapes"
    folder.mkdir(parents=True)
    for index in range(40):
        Image.fromarray(np.full((4, 4), index, np.uint8)).save(folder / f"{index:02}.png")
    parts = [
        {int(shape[0, 0]) for shape in load_crack_shapes(tmp_path, **part).cracks}
        for part in ({"held_out": False}, {"held_out": True}, {"held_out": False, "validation": True})
    ]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 40
    assert all(parts)
