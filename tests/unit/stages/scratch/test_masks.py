"""What becomes a hole and what is taken for a mistake."""

import numpy as np
import pytest

from photorestore.stages.scratch import masks


def make_prob(h: int = 100, w: int = 120) -> np.ndarray:
    return np.zeros((1, h, w), np.uint16)


def test_a_scratch_is_kept_as_it_is_and_filled_with_a_pixel_around_it() -> None:
    prob = make_prob()
    prob[0, 10:90, 50] = 65535
    mask = masks.find_damage(prob, masks.CERTAIN_IN_DAMAGED)
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, (prob > 0) * 255)
    filled = masks.grow(mask)
    assert np.array_equal(np.unique(filled), [0, 255])
    assert np.array_equal(np.nonzero(filled[0].any(0))[0], [49, 50, 51])
    assert np.array_equal(np.nonzero(filled[0].any(1))[0], np.arange(9, 91))


def test_faint_specks_are_dropped_and_faint_ends_of_a_defect_stay() -> None:
    prob = make_prob()
    faint = round(0.8 * 65535)  # followed, but never certain
    prob[0, 20:24, 20:24] = prob[0, 60:64, 64:68] = faint
    prob[0, 60:64, 60:64] = 65535
    mask = masks.find_damage(prob, masks.CERTAIN_IN_PRINTS)
    assert not mask[0, :40, :40].any()
    assert mask[0, 61, 61] == mask[0, 61, 67] == 255


def test_a_doubtful_defect_counts_in_a_damaged_picture_only() -> None:
    prob = make_prob()
    prob[0, 20:24, 20:24] = round(0.93 * 65535)
    assert not masks.find_damage(prob, masks.CERTAIN_IN_OTHERS).any()
    assert masks.find_damage(prob, masks.CERTAIN_IN_DAMAGED)[0, 21, 21] == 255


def test_much_that_is_certain_is_texture_where_the_picture_is_not_damaged() -> None:
    prob = make_prob()
    prob[0, 60:70, 60:70] = 65535  # .8 % of the picture
    assert not masks.find_damage(prob, masks.CERTAIN_IN_OTHERS).any()


def test_what_would_leave_too_little_to_fill_from_is_left() -> None:
    prob = make_prob()
    prob[0, :40] = 65535
    assert not masks.find_damage(prob, masks.CERTAIN_IN_DAMAGED).any()


def test_almost_nothing_found_is_nothing() -> None:
    prob = make_prob(800, 800)
    prob[0, 250, 250] = 65535
    assert not masks.find_damage(prob, masks.CERTAIN_IN_DAMAGED).any()  # 25 pixels of 640,000
    assert not masks.find_damage(make_prob(), masks.CERTAIN_IN_DAMAGED).any()


def test_a_defect_with_a_place_beyond_doubt_is_trusted_as_far_as_it_goes() -> None:
    prob, mask = np.zeros((1, 600, 60), np.uint16), np.zeros((1, 600, 60), np.uint8)
    mask[0, 505:520, 10:12] = mask[0, 300:310, 40:44] = 255
    prob[0, 505:520, 10:12] = prob[0, 300:310, 40:44] = 60000
    prob[0, 511:514, 10:12] = 65535
    found = masks.trusted(prob, mask)
    assert found[505:520, 10:12].all()
    assert found.sum() == 2 * 15


@pytest.mark.parametrize("h", [1, 31, 512, 513, 1300])
def test_bands_do_not_show(h: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prob = np.random.default_rng(h).integers(0, 65536, (1, h, 37), dtype=np.uint16)
    prob[0, ::3] = 0
    whole = masks.clean_mask(prob, 0.97)
    grown = masks.grow(whole)
    monkeypatch.setattr(masks, "ROWS", 7)
    assert np.array_equal(masks.clean_mask(prob, 0.97), whole)
    assert np.array_equal(masks.grow(whole), grown)


def test_eight_bits_decide_as_sixteen_do() -> None:
    prob_u8 = np.random.default_rng(0).integers(0, 256, (1, 64, 64), dtype=np.uint8)
    mask = masks.clean_mask(prob_u8.astype(np.uint16) * 257, 0.9)
    assert np.array_equal(masks.clean_mask(prob_u8, 0.9), mask)


def test_coverage_is_the_share_of_marked_pixels() -> None:
    mask = np.zeros((1, 10, 10), np.uint8)
    mask[0, 0, :5] = 255
    assert masks.coverage(mask) == 0.05
