import math

import pytest
import torch

from tests.conftest import make_photo
from training.degradations import second_order
from training.degradations.noise import quantise
from training.degradations.second_order import bell_kernel, convolve, degrade, draw_kernel, sinc_kernel


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photo(h: int = 96, w: int = 128) -> torch.Tensor:
    return torch.from_numpy(make_photo(h, w)).permute(2, 0, 1).float() / 255


def spread(kernel: torch.Tensor) -> tuple[float, float]:
    """Standard deviations along x and y."""
    place = torch.arange(kernel.shape[0]) - kernel.shape[0] // 2
    along_x, along_y = (kernel.sum(axis) @ (place.float() ** 2) for axis in (0, 1))
    return math.sqrt(along_x), math.sqrt(along_y)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_worn_picture_is_small_and_stored_in_8_bits(scale: int) -> None:
    for seed in range(12):
        lr = degrade(photo(), scale, rng(seed))
        assert lr.shape == (3, 96 // scale, 128 // scale)
        assert torch.equal(quantise(lr), lr)


def test_it_is_decided_by_its_seed_and_leaves_the_photograph_alone() -> None:
    hr = photo()
    before = hr.clone()
    assert torch.equal(degrade(hr, 4, rng(3)), degrade(hr, 4, rng(3)))
    assert not torch.equal(degrade(hr, 4, rng(3)), degrade(hr, 4, rng(4)))
    assert torch.equal(hr, before)


def test_it_stays_where_it_was_and_keeps_its_tone() -> None:
    hr = photo(192, 192)
    small = torch.nn.functional.interpolate(hr[None], scale_factor=0.25, mode="area")[0]
    mean = torch.stack([degrade(hr, 4, rng(seed)) for seed in range(48)]).mean(0)
    inner = (..., slice(6, -6), slice(6, -6))
    distance = (mean - small)[inner].abs().mean()
    assert distance < 0.03
    for shift in (-2, 2):
        assert (mean.roll(shift, -1) - small)[inner].abs().mean() > distance
    assert abs(float(mean.mean() - small.mean())) < 0.01


def test_every_drawn_kernel_keeps_brightness_and_is_odd() -> None:
    for seed in range(60):
        kernel = draw_kernel(second_order.FIRST, rng(seed))
        assert kernel.shape[0] % 2 == 1
        assert 7 <= kernel.shape[0] <= 21
        assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)


def test_a_bell_is_as_wide_as_it_says_and_turns() -> None:
    assert spread(bell_kernel(21, (2.0, 1.0), 0.0)) == pytest.approx((2.0, 1.0), abs=0.01)
    assert spread(bell_kernel(21, (2.0, 1.0), math.pi / 2)) == pytest.approx((1.0, 2.0), abs=0.01)
    assert torch.allclose(
        bell_kernel(21, (2.0, 1.0), 0.3, "generalised", 1.0), bell_kernel(21, (2.0, 1.0), 0.3)
    )


def test_a_plateau_is_flatter_on_top_than_a_gaussian() -> None:
    plateau, gaussian = bell_kernel(21, (3.0, 3.0), 0.0, "plateau", 2.0), bell_kernel(21, (3.0, 3.0), 0.0)
    assert plateau[10, 11] / plateau[10, 10] > gaussian[10, 11] / gaussian[10, 10]


def test_a_sinc_filter_passes_low_frequencies_and_stops_high_ones() -> None:
    x = torch.arange(64.0)
    for frequency, gain in ((0.3, 1.0), (2.8, 0.0)):
        wave = torch.sin(frequency * x).expand(1, 64, 64)
        filtered = convolve(wave, sinc_kernel(21, math.pi / 2))[..., 16:-16, 16:-16]
        assert float(filtered.std() / wave.std()) == pytest.approx(gain, abs=0.15)


def test_a_filter_fits_pictures_smaller_than_itself() -> None:
    assert convolve(torch.rand(3, 4, 5), bell_kernel(21, (1.0, 1.0), 0.0)).shape == (3, 4, 5)
