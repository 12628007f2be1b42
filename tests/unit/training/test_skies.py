"""Night skies are dark, and their stars are many, faint ones most of all."""

import pytest
import torch

from training.degradations import skies
from training.degradations.skies import night_sky


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_sky_is_dark_with_lights_and_decided_by_its_seed(seed: int) -> None:
    sky = night_sky(120, 200, seeded(seed))
    assert sky.shape == (3, 120, 200)
    assert sky.min() >= 0
    assert sky.max() <= 1
    assert sky.median() < 0.3
    assert sky.amax() > sky.median() + 0.2
    assert torch.equal(sky, night_sky(120, 200, seeded(seed)))
    assert not torch.equal(sky, night_sky(120, 200, seeded(seed + 100)))


def test_faint_stars_are_more_than_bright_ones() -> None:
    ratios = []
    for seed in range(8):
        light = skies._stars(300, 400, seeded(seed)).mean(0)
        tops = light[light == torch.nn.functional.max_pool2d(light[None], 5, 1, 2)[0]]
        tops = tops[tops > 0.2 * tops.median()]
        ratios.append(float((tops < 4 * tops.median()).float().mean()))
    assert min(ratios) > 0.6
    assert max(ratios) < 1


def test_a_trail_is_as_bright_as_its_star_and_longer() -> None:
    light = torch.zeros(3, 60, 60)
    light[:, 30, 30] = 0.7
    trailed = skies._trailed(light, seeded(1))
    assert trailed.max() == pytest.approx(0.7)
    assert 3 < (trailed[0] > 0).sum() <= 25
