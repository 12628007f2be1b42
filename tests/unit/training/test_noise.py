import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from training.degradations import noise

GREY = torch.full((3, 96, 96), 0.5)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


DEGRADATIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "gaussian": lambda gt, g: noise.gaussian(gt, 0.1, g),
    "poisson": lambda gt, g: noise.poisson(gt, 30.0, g),
    "poisson_gaussian": lambda gt, g: noise.poisson_gaussian(gt, 0.01, 0.02, g),
    "speckle": lambda gt, g: noise.speckle(gt, 0.2, g),
    "salt_and_pepper": lambda gt, g: noise.salt_and_pepper(gt, 0.05, g),
    "film_grain": lambda gt, g: noise.film_grain(gt, 0.1, 0.8, g),
}


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_a_degradation_is_decided_by_its_seed(name: str) -> None:
    degrade = DEGRADATIONS[name]
    assert torch.equal(degrade(GREY, rng(1)), degrade(GREY, rng(1)))
    assert not torch.equal(degrade(GREY, rng(1)), degrade(GREY, rng(2)))
    assert torch.equal(GREY, torch.full((3, 96, 96), 0.5))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gaussian", 0.1),
        ("poisson", math.sqrt(0.5 / 30)),
        ("poisson_gaussian", math.sqrt(0.01 * 0.5 + 0.02**2)),
        ("speckle", 0.1),
        ("film_grain", 0.1),
    ],
)
def test_noise_is_as_strong_as_it_says(name: str, expected: float) -> None:
    added = DEGRADATIONS[name](GREY, rng()) - GREY
    assert float(added.std()) == pytest.approx(expected, rel=0.05)
    assert abs(float(added.mean())) < 0.01


def test_salt_and_pepper_hits_its_share() -> None:
    hit = (DEGRADATIONS["salt_and_pepper"](GREY, rng()) != 0.5)[0].float().mean()
    assert float(hit) == pytest.approx(0.05, abs=0.01)


def test_grain_is_grey_and_correlated() -> None:
    added = DEGRADATIONS["film_grain"](GREY, rng()) - GREY
    assert torch.allclose(added[0], added[1], atol=1e-6)
    neighbours = torch.corrcoef(torch.stack([added[0, :, :-1].flatten(), added[0, :, 1:].flatten()]))
    assert float(neighbours[0, 1]) > 0.3


def test_jpeg_gives_8_bit_values_and_loses_more_at_low_quality() -> None:
    photo = torch.rand(3, 64, 64, generator=rng())
    high, low = noise.jpeg(photo, 95), noise.jpeg(photo, 20)
    assert torch.equal(noise.quantise(high), high)
    assert (low - photo).abs().mean() > (high - photo).abs().mean()
