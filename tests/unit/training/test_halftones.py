"""Screens: how many levels they have, what they keep of the tone, and at which angle they lie."""

import pytest
import torch
from torch import Tensor

from training.degradations import halftones
from training.degradations.halftones import halftone


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_an_ordered_dither_has_every_level_of_its_matrix(doublings: int) -> None:
    side = 2**doublings
    greys = torch.linspace(0, 1, side**2 + 1)
    shares = [
        float(halftones._ordered(torch.full((1, 4 * side, 4 * side), float(grey)), doublings).mean())
        for grey in greys
    ]
    assert shares == pytest.approx(greys.tolist(), abs=1e-6)


def test_an_ordered_dither_repeats_by_its_matrix() -> None:
    dithered = halftones._ordered(torch.full((1, 32, 48), 0.4), 2)
    assert torch.equal(dithered[..., :-4], dithered[..., 4:])
    assert torch.equal(dithered[:, :-4], dithered[:, 4:])
    assert set(dithered.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("grey", [0.25, 0.5, 0.75])
def test_diffused_errors_keep_the_mean(grey: float) -> None:
    for seed in range(6):
        dithered = halftones._diffused(torch.full((3, 64, 64), grey), seeded(seed))
        assert dithered.shape == (3, 64, 64)
        assert float(dithered.mean()) == pytest.approx(grey, abs=0.02)


def screened(grey: float, period_px: float, degrees: float, seed: int) -> Tensor:
    return halftones._screened(torch.full((1, 128, 128), grey), period_px, degrees, seeded(seed))


@pytest.mark.parametrize("period_px", [4.0, 8.0])
@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_dots_lie_at_their_spacing_and_angle(period_px: float, degrees: float) -> None:
    dots = screened(0.5, period_px, degrees, 0)[0]
    spectrum = torch.fft.fft2(dots - dots.mean()).abs()
    row, column = divmod(int(spectrum.argmax()), 128)
    frequencies = torch.fft.fftfreq(128)
    down, across = float(frequencies[row]), float(frequencies[column])
    assert (down**2 + across**2) ** 0.5 == pytest.approx(1 / period_px, abs=0.008)
    angle = torch.rad2deg(torch.atan2(torch.tensor(down), torch.tensor(across))) % 90
    assert min(abs(float(angle) - degrees), 90 - abs(float(angle) - degrees)) < 4


def test_lighter_tones_have_less_ink() -> None:
    for seed in range(5):
        means = [float(screened(grey, 6.0, 20.0, seed).mean()) for grey in (0.1, 0.3, 0.5, 0.7, 0.9)]
        assert means == sorted(means)
        assert means[2] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("rgb", "lightest"), [((0.9, 0.1, 0.1), 0), ((0.1, 0.9, 0.1), 1), ((0.1, 0.1, 0.9), 2)]
)
def test_four_inks_print_the_colour(rgb: tuple[float, ...], lightest: int) -> None:
    image = torch.tensor(rgb).view(3, 1, 1).expand(3, 96, 96)
    printed = halftones._four_inks(image, 5.0, seeded(1))
    assert 0 <= float(printed.min()) <= float(printed.max()) <= 1
    means = printed.mean((1, 2))
    assert int(means.argmax()) == lightest
    assert float(means.max()) > float(means.median()) + 0.3


def test_white_paper_gets_hardly_any_ink_and_black_gets_all() -> None:
    white = halftones._four_inks(torch.ones(3, 64, 64), 5.0, seeded())
    black = halftones._four_inks(torch.zeros(3, 64, 64), 5.0, seeded())
    assert float(white.mean()) > 0.94  # the finest dots stay
    assert float(black.mean()) < 0.12


def test_the_same_seed_screens_alike_and_most_screens_are_of_two_tones() -> None:
    image = torch.linspace(0, 1, 80).expand(3, 60, 80)
    harsh = 0
    for seed in range(30):
        drawn = halftone(image, seeded(seed))
        assert torch.equal(drawn, halftone(image, seeded(seed)))
        harsh += float(drawn.var()) > 0.08
    assert harsh > 15
