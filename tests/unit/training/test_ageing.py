"""Tones and uneven ageing of prints, how they are measured, and portraits that lose their detail."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from photorestore.pixels.tensors import luma
from tests.conftest import make_photo
from training.degradations import fading
from training.degradations.ageing import contrast_of, tone, tone_of, unevenly_aged
from training.degradations.portraits import old_portrait, toned, worn


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return torch.from_numpy(make_photo(96, 120)).permute(2, 0, 1).float() / 255


RAMP = torch.linspace(0, 1, 128).expand(3, 128, 128).contiguous()


@pytest.mark.parametrize("draw", [tone, unevenly_aged, worn, toned])
def test_the_seed_decides_and_the_picture_given_stays(
    draw: Callable[[Tensor, torch.Generator], Tensor], photo: Tensor
) -> None:
    before = photo.clone()
    for seed in range(6):
        drawn = draw(photo, seeded(seed))
        assert drawn.shape == photo.shape
        assert torch.equal(drawn, draw(photo, seeded(seed)))
    assert torch.equal(photo, before)


def test_a_toned_print_has_one_hue_for_each_grey_and_keeps_their_order() -> None:
    found = []
    for seed in range(40):
        image = tone(RAMP, seeded(seed))
        assert torch.equal(image[:, 0], image[:, 100])  # the same grey, the same colour
        assert bool((luma(image).diff(dim=-1) >= -1e-6).all())
        found.append(tone_of(image.clamp(0, 1)))
    assert found.count(1.0) > 15
    assert found.count(0.0) < 10


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (RAMP, 0.0),
        (RAMP * torch.tensor([1.0, 0.85, 0.6]).view(3, 1, 1), 1.0),
        (torch.stack([RAMP[0], RAMP[0].flip(1), RAMP[0].mT]), -1.0),
        (RAMP * torch.tensor([1.0, 0.98, 0.93]).view(3, 1, 1), -1.0),  # too little to say
    ],
)
def test_one_hue_is_told_from_grey_and_from_colours(image: Tensor, expected: float) -> None:
    assert tone_of(image) == expected


@pytest.mark.parametrize("span", [0.2, 0.6, 1.0])
def test_contrast_is_that_of_the_inner_part(span: float) -> None:
    image = 0.5 + span * (RAMP - 0.5)
    inner = image[:, :, 16:-16]
    assert contrast_of(image) == pytest.approx(float(inner.max() - inner.min()), abs=0.03)
    framed = torch.nn.functional.pad(image, (3, 3, 3, 3), value=1.0)
    framed[:, :2] = 0
    assert contrast_of(framed) == pytest.approx(contrast_of(image), abs=0.06)


def test_uneven_ageing_spares_a_part_and_changes_another() -> None:
    even, spared = torch.full((3, 80, 100), 0.5), 0
    for seed in range(30):
        change = (unevenly_aged(even, seeded(seed)) - 0.5).abs().amax(0)
        assert float(change.max()) <= 0.5 + 1e-6
        assert float(change.max()) > 0.05
        spared += float(change.min()) < 0.3 * float(change.max())
    assert spared > 22


def test_a_portrait_keeps_its_tone_and_loses_its_detail_only_in_one_of_both(photo: Tensor) -> None:
    lost = []
    for seed in range(20):
        lq, gt = old_portrait(photo, seeded(seed))
        assert lq.shape == gt.shape == photo.shape
        assert 0 <= float(gt.min()) <= float(gt.max()) <= 1
        torch.testing.assert_close(lq * 255, (lq * 255).round(), atol=1e-3, rtol=0)
        torch.testing.assert_close(lq.mean((1, 2)), gt.mean((1, 2)), atol=0.04, rtol=0)
        lost.append(float((lq - gt).square().mean()))
    assert sum(error > 1e-4 for error in lost) > 12


def test_shares_of_the_portraits_are_grey_or_brown(photo: Tensor) -> None:
    kinds = {"grey": 0, "one hue": 0}
    for seed in range(200):
        image = toned(photo, seeded(seed))
        spread = float((image - luma(image)).abs().amax())
        kinds["grey"] += spread < 1e-5
        brown = luma(image) * torch.tensor(fading.SEPIA).view(3, 1, 1)
        kinds["one hue"] += spread >= 1e-5 and float((image - brown).abs().amax()) < spread / 2
    assert 30 <= kinds["grey"] <= 75  # a third, of which some get a cast
    assert kinds["one hue"] >= 5
