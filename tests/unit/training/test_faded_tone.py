"""Tones that fade: what a batch holds, what stays of it, and what each way to fade does."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from photorestore.pixels.tensors import luma
from tests.conftest import make_photo
from training.degradations.faded_tone import (
    GREY_SHARE,
    HAND_COLOURED_SHARE,
    age,
    grey,
    hand_coloured,
    lose_contrast,
    lose_density,
)

Fade = Callable[[Tensor, Tensor, torch.Generator], Tensor]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def gt() -> Tensor:
    photos = [torch.from_numpy(make_photo(24, 32, seed)).permute(2, 0, 1) for seed in range(8)]
    return (torch.stack(photos).float() / 255).repeat(40, 1, 1, 1)  # 320 of them


@pytest.fixture(scope="module")
def aged(gt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return age(gt, seeded())


def test_what_comes_back_has_8_bits_and_a_truth_of_its_size(gt: Tensor, aged: tuple[Tensor, ...]) -> None:
    lq, truth, known = aged
    assert lq.shape == truth.shape == gt.shape
    assert known.shape == (len(gt), 1, 24, 32)
    assert set(known.unique().tolist()) == {0.0, 1.0}
    assert 0 <= float(lq.min()) <= float(lq.max()) <= 1
    torch.testing.assert_close(lq * 255, (lq * 255).round(), atol=1e-3, rtol=0)


def test_the_seed_decides_and_the_photographs_stay_as_they_are(gt: Tensor, aged: tuple[Tensor, ...]) -> None:
    before = gt.clone()
    again, other = age(gt, seeded()), age(gt, seeded(1))
    assert torch.equal(gt, before)
    assert all(torch.equal(one, two) for one, two in zip(aged, again, strict=True))
    assert not torch.equal(aged[0], other[0])


def test_shares_of_the_truths_are_grey_or_coloured_by_hand(gt: Tensor, aged: tuple[Tensor, ...]) -> None:
    truth = aged[1]
    is_grey = (truth == truth[:, :1]).flatten(1).all(1)
    is_same = (truth == gt).flatten(1).all(1)
    by_hand = ~is_grey & ~is_same
    assert float(is_grey.float().mean()) == pytest.approx(GREY_SHARE, abs=0.08)
    assert float(by_hand.float().mean()) == pytest.approx((1 - GREY_SHARE) * HAND_COLOURED_SHARE, abs=0.05)
    torch.testing.assert_close(truth[by_hand], hand_coloured(gt)[by_hand])


def test_a_grey_print_fades_and_is_noisy_in_grey(aged: tuple[Tensor, ...]) -> None:
    lq, truth, _ = aged
    is_grey = (truth == truth[:, :1]).flatten(1).all(1)
    spread = (lq.amax(1) - lq.amin(1)).flatten(1).amax(1)
    assert float(spread[is_grey].max()) < 2 / 255  # rounding alone


def test_specks_are_white_or_black_and_are_not_known(aged: tuple[Tensor, ...]) -> None:
    lq, _, known = aged
    specks = lq.permute(0, 2, 3, 1)[known[:, 0] == 0]
    assert len(specks) > 20
    assert bool(((specks == 0).all(1) | (specks == 1).all(1)).all())
    shares = (1 - known).flatten(1).mean(1)
    assert 0.1 < float((shares > 0).float().mean()) < 0.4
    assert float(shares.max()) < 0.03


def test_most_prints_lose_contrast_and_some_are_sound(aged: tuple[Tensor, ...]) -> None:
    lq, truth, known = aged

    def span(image: Tensor) -> Tensor:
        return torch.where(known > 0, luma(image), 0.5).flatten(1).std(1)

    ratio = span(lq) / span(truth)
    assert float(ratio.median()) < 0.75
    errors = ((lq - truth).abs() * known).flatten(1).mean(1)
    assert 0.03 < float((errors < 0.025).float().mean()) < 0.25


@pytest.mark.parametrize("fade", [lose_density, lose_contrast])
def test_lighter_stays_lighter_in_each_channel(fade: Fade) -> None:
    ramp = torch.linspace(0, 1, 64).view(1, 1, 1, 64).expand(50, 3, 1, 64)
    faded = fade(ramp, torch.zeros(50, 1, 1, 1), seeded())
    assert bool((faded.diff(dim=-1) >= -1e-6).all())
    assert 0 <= float(faded.min()) <= float(faded.max()) <= 1.0001
    spans = faded[..., -1] - faded[..., 0]
    assert float(spans.min()) > 0.05  # something is left to bring back
    assert float(spans.mean()) < 0.9


@pytest.mark.parametrize("fade", [lose_density, lose_contrast])
def test_tied_channels_fade_alike_and_others_do_not(fade: Fade) -> None:
    ramp = torch.linspace(0, 1, 64).view(1, 1, 1, 64).expand(20, 3, 1, 64)
    tied = fade(ramp, torch.ones(20, 1, 1, 1), seeded())
    torch.testing.assert_close(tied[:, :1].expand_as(tied), tied)
    loose = fade(ramp, torch.zeros(20, 1, 1, 1), seeded())
    assert float((loose.amax(1) - loose.amin(1)).mean()) > 0.02


def test_stains_yellow_the_paper() -> None:
    white = torch.ones(200, 3, 1, 1)
    faded = lose_density(white, torch.zeros(200, 1, 1, 1), seeded())
    red, _, blue = faded.mean((0, 2, 3)).tolist()
    assert red > blue + 0.03


def test_colours_by_hand_are_coarse_and_half_as_strong() -> None:
    image = torch.full((1, 3, 32, 32), 0.5)
    image[:, 0, :, 16:] = 0.8  # a red half
    coloured = hand_coloured(image)
    torch.testing.assert_close(luma(coloured), luma(image), atol=0.02, rtol=0)
    chroma, before = (picture - grey(picture) for picture in (coloured, image))
    torch.testing.assert_close(chroma[..., 24:], before[..., 24:] / 2, atol=1e-5, rtol=0)
    edge = chroma[0, 0, 10, 12:20]
    assert bool((edge.diff() >= -1e-6).all())
    assert len(edge.unique()) > 4  # it runs over the edge
