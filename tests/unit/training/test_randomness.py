import math

import pytest
import torch

from training.randomness import chance, log_uniform, pick, randint, uniform, weighted_index


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_numbers_stay_in_their_range(rng: torch.Generator) -> None:
    for _ in range(200):
        assert -1 <= uniform(-1, 2, rng) < 2
        assert randint(3, 5, rng) in (3, 4)
        assert 0.5 <= log_uniform(0.5, 8, rng) < 8.0001


def test_half_of_a_logarithmic_range_lies_below_its_geometric_middle(rng: torch.Generator) -> None:
    below = sum(log_uniform(0.5, 8, rng) < math.sqrt(0.5 * 8) for _ in range(1000))
    assert below == pytest.approx(500, abs=60)


def test_things_come_as_often_as_their_weights_say(rng: torch.Generator) -> None:
    drawn = [weighted_index((1.0, 0.0, 3.0), rng) for _ in range(1000)]
    assert drawn.count(1) == 0
    assert drawn.count(2) == pytest.approx(750, abs=60)
    assert sum(chance(0.25, rng) for _ in range(1000)) == pytest.approx(250, abs=60)
    assert {pick("abc", rng) for _ in range(50)} == set("abc")
