"""What the limit of `weather` rests on."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.stages.weather.network import WeatherUNet
from tests.conftest import make_photo
from training.tune_weather import CAP_DB, Seen, look, row


class Darkens(torch.nn.Module):
    """Darkens every pixel by a given amount."""

    descriptor = WeatherUNet((8, 8, 8), (1, 1, 1)).descriptor

    def __init__(self, change: float) -> None:
        super().__init__()
        self.change = change

    def forward(self, image: Tensor) -> Tensor:
        return image - self.change


def photos() -> list[Tensor]:
    return [torch.from_numpy(make_photo(90, 100, seed) // 2 + 60).permute(2, 0, 1) for seed in range(2)]


def test_what_is_above_the_limit_counts_as_dried_and_all_else_as_it_is() -> None:
    seen = [Seen(0.03, math.inf, 30.0), Seen(0.01, math.inf, 25.0)]
    assert [one.db(0.02) for one in seen] == [30.0, CAP_DB]
    assert row(0.02, seen).split() == ["0.020", "1", "of", "2", "45.00", "30.00"]
    assert row(0.0, seen).split()[1] == "2"
    assert row(0.1, seen).split()[-2:] == ["60.00", "60.00"]


@pytest.mark.parametrize("as_prints", [False, True])
def test_dry_pictures_are_their_own_truth(as_prints: bool) -> None:
    dry: Runner[Tensor] = Runner(Darkens(0.1), precision="float32")
    seen = look(dry, photos(), "dry", as_prints=as_prints)
    assert all(one.before_db == math.inf for one in seen)
    assert all(one.share > 0.99 for one in seen)
    assert all(abs(one.after_db - 20) < 0.3 for one in seen)


@pytest.mark.parametrize("weather", ["rain", "snow"])
def test_what_falls_is_measured_against_the_dry_picture(weather: str) -> None:
    idle: Runner[Tensor] = Runner(Darkens(0), precision="float32")
    seen = look(idle, photos(), weather, as_prints=True)
    assert seen == look(idle, photos(), weather, as_prints=True)
    for one in seen:
        assert one.share == 0
        assert 8 < one.before_db < 45
        assert one.after_db == pytest.approx(one.before_db)
