"""Holes and imperfect masks: what is marked, what is kept, and by how much a mask may be wrong."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.conftest import make_photo
from training import holes
from training.holes import make_holes, random_pixel
from training.imperfect_masks import MASK_ALPHA, detect, imperfect_mask


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def gt() -> Tensor:
    return torch.from_numpy(make_photo(96, 120)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("seed", range(20))
def test_pixels_outside_a_hole_are_the_pictures_own(gt: Tensor, seed: int) -> None:
    lq, mask = make_holes(gt, seeded(seed))
    assert (lq.shape, mask.shape) == (gt.shape, (1, 96, 120))
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    outside = (mask == 0).expand_as(gt)
    assert torch.equal(lq[outside], gt[outside])
    assert 0 <= float(lq.min()) <= float(lq.max()) <= 1
    again, same = make_holes(gt, seeded(seed))
    assert torch.equal(lq, again)
    assert torch.equal(mask, same)


def test_holes_hold_garbage_of_several_kinds(gt: Tensor) -> None:
    flat = textured = mirrored = 0
    for seed in range(60):
        lq, mask = make_holes(gt, seeded(seed))
        inside = lq[:, mask[0] > 0]
        flat += bool((inside == inside[:, :1]).all())
        mirrored += bool(torch.equal(inside, gt.flip(-1)[:, mask[0] > 0]))
        textured += float(inside.std()) > 0.25
    assert min(flat, textured, mirrored) >= 4


@pytest.mark.parametrize("draw", [holes._strokes, holes._boxes, holes._blobs])
def test_every_shape_leaves_most_of_the_picture(draw: Callable[[int, int, torch.Generator], Tensor]) -> None:
    shares = [float((draw(96, 120, seeded(seed)) > 0).float().mean()) for seed in range(25)]
    assert 0 < sum(shares) / len(shares) < 0.35
    assert max(shares) < 0.75


def test_a_drawn_colour_is_one_of_the_picture(gt: Tensor) -> None:
    for seed in range(5):
        colour = random_pixel(gt, seeded(seed))
        assert colour.shape == (3, 1, 1)
        assert bool((gt == colour).all(0).any())


@pytest.fixture
def alpha() -> Tensor:
    damage = torch.zeros(1, 80, 100)
    damage[:, 30:50, 40:60] = 1
    damage[:, 60:62] = MASK_ALPHA / 2  # too faint to count
    return damage


def test_a_mask_is_at_times_exact_at_times_wide_and_at_times_wrong(alpha: Tensor) -> None:
    truth = alpha > MASK_ALPHA
    exact = wide = missing = false = 0
    for seed in range(60):
        mask = imperfect_mask(alpha, seeded(seed)) > 0
        near = torch.nn.functional.max_pool2d(truth.float(), 9, 1, 4) > 0
        exact += bool((mask == truth).all())
        wide += bool((mask & near & ~truth).any())
        missing += bool((truth & ~mask).any())
        false += bool((mask & ~near).any())
    assert exact >= 3
    assert wide >= 25
    assert 3 <= missing <= 25
    assert 10 <= false <= 40


def test_a_mask_never_grows_by_more_than_four_pixels_where_nothing_false_is_drawn(
    alpha: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.imperfect_masks.chance", lambda *_: False)
    near = torch.nn.functional.max_pool2d((alpha > MASK_ALPHA).float(), 9, 1, 4) > 0
    masks = [imperfect_mask(alpha, seeded(seed)) > 0 for seed in range(20)]
    assert all(bool((mask <= near).all() and (mask >= (alpha > MASK_ALPHA)).all()) for mask in masks)
    assert len({int(mask.sum()) for mask in masks}) == 5


def test_a_detectors_mask_is_its_probability_above_the_threshold_grown() -> None:
    logits = torch.full((1, 1, 20, 20), -9.0)
    logits[..., 10, 10] = 0.0  # one half
    logits[..., 3, 3] = -1.0  # about a quarter
    mask, prob = detect(torch.zeros(3, 20, 20), lambda _: logits, threshold=0.4, grow_px=2)  # type: ignore[arg-type]
    assert mask.shape == prob.shape == (1, 20, 20)
    assert torch.equal(mask[0].nonzero().amin(0), torch.tensor([8, 8]))
    assert int(mask.sum()) == 25
    assert float(prob[0, 10, 10]) == pytest.approx(0.5)
    assert float(prob[0, 3, 3]) == pytest.approx(1 / (1 + torch.e), abs=1e-4)
