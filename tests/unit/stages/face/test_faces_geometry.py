import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from photorestore.networks.tiling import to_float, to_integers
from photorestore.pixels import bands
from photorestore.stages.face.geometry import (
    CROP_PX,
    TEMPLATE,
    Alignment,
    align,
    cut,
    face_mask,
    paste,
    warp,
)


def turned(degrees: float, scale: float, left: float, top: float) -> Alignment:
    angle = math.radians(degrees)
    return Alignment(scale * math.cos(angle), scale * math.sin(angle), left, top)


def placed(alignment: Alignment) -> list[tuple[float, float]]:
    """The template's landmarks in a picture."""
    points = alignment.apply(torch.tensor(TEMPLATE, dtype=torch.float64))
    return [tuple(point) for point in points.tolist()]


def waves(h: int, w: int) -> torch.Tensor:
    """Smooth enough for cubic interpolation to follow."""
    y, x = torch.meshgrid(torch.arange(h) / 1.0, torch.arange(w) / 1.0, indexing="ij")
    return torch.stack([0.5 + 0.3 * torch.sin(x / (9 + i) + y / (13 - i)) for i in range(3)])


def pasted(
    image: torch.Tensor, crop: torch.Tensor, refined: torch.Tensor, alignment: Alignment, **how: float
) -> torch.Tensor:
    """A copy of the picture with what was changed of the crop."""
    copy = image.clone()
    paste(copy, refined - crop, alignment, **how)
    return copy


ALIGNMENTS = [turned(0, 1, 40, 30), turned(25, 0.6, 60, 20), turned(-40, 2.3, 10, 420)]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_landmarks_tell_size_turn_and_place_exactly(alignment: Alignment) -> None:
    found = align(placed(alignment))
    assert (found.a, found.b) == pytest.approx((alignment.a, alignment.b))
    assert (found.left, found.top) == pytest.approx((alignment.left, alignment.top))


def test_landmarks_that_do_not_fit_are_met_with_the_least_error() -> None:
    landmarks = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(
        placed(ALIGNMENTS[1]), [(2, 0), (-1, 3), (4, -2), (0, 1), (-3, -1)], strict=True,
    )]  # fmt: skip
    best = align(landmarks)

    def error(alignment: Alignment) -> float:
        misses = torch.tensor(placed(alignment)) - torch.tensor(landmarks)
        return float(misses.square().sum())

    for other in (
        Alignment(best.a + 0.002, best.b, best.left, best.top),
        Alignment(best.a, best.b - 0.002, best.left, best.top),
        best.shifted(0.2, 0),
        best.shifted(0, -0.2),
    ):
        assert error(best) < error(other)


def test_a_mirrored_face_is_not_matched_by_mirroring() -> None:
    mirrored = [(-x, y) for x, y in TEMPLATE]
    assert align(mirrored).scale < 0.9


def test_landmarks_in_one_point_are_refused() -> None:
    with pytest.raises(ValueError, match="no extent"):
        align([(5.0, 5.0)] * 5)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_the_inverse_leads_back(alignment: Alignment) -> None:
    points = torch.rand((7, 2), dtype=torch.float64) * 300
    torch.testing.assert_close(alignment.inverse().apply(alignment.apply(points)), points)
    assert alignment.inverse().scale == pytest.approx(1 / alignment.scale)


def test_a_face_that_lies_upright_at_full_size_is_cut_out_as_it_is() -> None:
    image = torch.rand((3, 400, 420))
    crop = cut(image, Alignment(1.0, 0.0, 31.0, 57.0))
    torch.testing.assert_close(crop, image[:, 57 : 57 + CROP_PX, 31 : 31 + CROP_PX], atol=1e-4, rtol=0)


@pytest.mark.parametrize("alignment", [turned(25, 0.6, 160, 20), turned(-20, 1.4, 10, 220)])
def test_a_turned_face_is_cut_out_upright(alignment: Alignment) -> None:
    image = waves(600, 640)
    crop = cut(image, alignment)
    for x, y in ((0, 0), (96, 112), (160, 112), (200, 230)):
        at_x, at_y = alignment.apply(torch.tensor([float(x), float(y)])).tolist()
        expected = torch.stack(
            [0.5 + 0.3 * torch.sin(torch.tensor(at_x / (9 + i) + at_y / (13 - i))) for i in range(3)]
        )
        torch.testing.assert_close(crop[:, y, x], expected, atol=0.02, rtol=0)


def test_detail_finer_than_the_crop_is_smoothed_and_not_aliased() -> None:
    stripes = (torch.arange(1200) % 2).float().expand(3, 1200, 1200)
    crop = cut(stripes, Alignment(4.0, 0.0, 80.0, 80.0))
    assert float((crop - 0.5).abs().max()) < 0.02


def test_a_face_at_the_edge_is_cut_out_with_the_last_pixels_repeated() -> None:
    image = torch.full((3, 100, 120), 0.25)
    image[:, :, -1] = 0.75
    crop = cut(image, Alignment(1.0, 0.0, 60.0, -40.0))
    assert float(crop[:, 100, 20].mean()) == pytest.approx(0.25, abs=1e-4)
    assert float(crop[:, 100, 200].mean()) == pytest.approx(0.75, abs=1e-4)


def test_a_face_beside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="beside the picture of 120x100 px"):
        cut(torch.zeros((3, 100, 120)), Alignment(1.0, 0.0, 500.0, 0.0))


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_refiner_that_changes_nothing_leaves_every_bit(alignment: Alignment) -> None:
    image = torch.rand((3, 700, 900))
    crop = cut(image, alignment)
    assert torch.equal(pasted(image, crop, crop.clone(), alignment), image)


def test_no_strength_changes_nothing_and_half_of_it_half() -> None:
    image, alignment = torch.full((3, 400, 400), 0.4), turned(10, 1.1, 60, 20)
    crop = cut(image, alignment)
    refined = crop + 0.1
    assert torch.equal(pasted(image, crop, refined, alignment, strength=0), image)
    full = pasted(image, crop, refined, alignment) - image
    half = pasted(image, crop, refined, alignment, strength=0.5) - image
    assert float(full.max()) == pytest.approx(0.1, abs=2e-3)
    torch.testing.assert_close(half, full / 2, atol=1e-6, rtol=0)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_change_comes_back_where_it_was_made(alignment: Alignment) -> None:
    image = torch.full((3, 900, 900), 0.5)
    crop = cut(image, alignment)
    y, x = torch.meshgrid(torch.arange(CROP_PX), torch.arange(CROP_PX), indexing="ij")
    spot = torch.exp(-((x - 140.0) ** 2 + (y - 120.0) ** 2) / (2 * 8.0**2))
    changed = pasted(image, crop, crop + 0.3 * spot, alignment) - image
    peak = int(changed[0].argmax())
    expected = alignment.apply(torch.tensor([140.0, 120.0])).tolist()
    assert (peak % 900, peak // 900) == pytest.approx(tuple(expected), abs=1)
    assert float(changed.max()) == pytest.approx(0.3, abs=0.02)


def test_only_the_face_is_touched() -> None:
    image, alignment = torch.rand((3, 500, 600)), turned(30, 0.8, 250, 80)
    crop = cut(image, alignment)
    changed = (pasted(image, crop, 1 - crop, alignment) != image).any(0)
    inside = warp(face_mask(0), alignment.inverse(), (500, 600), padding="zeros")[0] > 0
    near = F.max_pool2d(inside[None].float(), 9, 1, 4)[0] > 0
    assert bool(changed.any())
    assert not bool((changed & ~near).any())


def test_detail_of_a_large_face_that_no_crop_can_hold_is_kept() -> None:
    alignment = Alignment(4.0, 0.0, 50.0, 40.0)
    y, x = torch.meshgrid(torch.arange(1100), torch.arange(1150), indexing="ij")
    checks = 0.05 * ((x + y) % 2 * 2 - 1)
    image = (waves(1100, 1150) * 0.5 + 0.25) + checks
    crop = cut(image, alignment)
    result = pasted(image, crop, crop * 0.8 + 0.1, alignment)
    middle = (slice(None), slice(500, 600), slice(500, 600))
    kept = (result[middle] * checks[middle[1:]]).mean() / checks.square().mean()
    assert float(kept) == pytest.approx(1, abs=0.02)
    assert float((result - image)[middle].abs().mean()) > 0.005


@pytest.mark.parametrize("alignment", [*ALIGNMENTS, turned(15, 6.5, 300, 200)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_plane_of_integers_is_treated_as_its_picture_in_float(
    alignment: Alignment, dtype: type[np.unsignedinteger], monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (3, 1900, 1800)).astype(dtype)
    image, given = to_float(plane), plane.copy()
    crop = cut(image, alignment)
    monkeypatch.setattr(bands, "STRIP_PX", 40_000)
    torch.testing.assert_close(cut(plane, alignment), crop, atol=2e-6, rtol=0)
    change = torch.linspace(-0.3, 0.3, CROP_PX).expand(3, CROP_PX, CROP_PX)
    paste(image, change, alignment)
    paste(plane, change, alignment)
    assert np.abs(plane.astype(int) - to_integers(image, np.dtype(dtype))).max() <= 1
    touched = (plane != given).any(0)
    assert touched.any()
    assert not touched.all()


def test_a_changed_picture_stays_within_its_range() -> None:
    image, alignment = torch.rand((3, 400, 400)), turned(0, 1, 60, 60)
    crop = cut(image, alignment)
    result = pasted(image, crop, torch.ones_like(crop) * 3, alignment)
    assert float(result.min()) >= 0
    assert float(result.max()) == 1.0


def test_the_mask_is_whole_on_the_landmarks_and_gone_at_the_rim() -> None:
    mask = face_mask()[0]
    assert all(float(mask[round(y), round(x)]) > 0.99 for x, y in TEMPLATE)
    for rim in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert float(rim.max()) == 0
    steps = torch.cat([mask.diff(dim=0).abs().flatten(), mask.diff(dim=1).abs().flatten()])
    assert float(steps.max()) < 0.08
