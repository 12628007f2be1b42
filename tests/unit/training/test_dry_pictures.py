"""Dry pictures that may be taken for wet ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.pixels.tensors import luma
from photorestore.stages.weather.network import WeatherUNet
from tests.conftest import make_photo
from training.dry_pictures import MOST_SIGMA_255, draw_like_weather, mistaken_for_wet, sky_between, wear


def photo(side_px: int = 96, seed: int = 0) -> Tensor:
    return torch.from_numpy(make_photo(side_px, side_px + 10, seed)).permute(2, 0, 1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def is_grey(image: Tensor) -> bool:
    return bool(torch.allclose(image, luma(image).expand(3, -1, -1), atol=1e-5))


def test_wear_makes_some_grey_some_grainy_and_leaves_some() -> None:
    gt = photo().float() / 255
    worn = [wear(gt, seeded(seed)) for seed in range(80)]
    assert 8 <= sum(is_grey(image) for image in worn) <= 28
    assert 8 <= sum(torch.equal(image, gt) for image in worn) <= 36
    assert torch.equal(worn[3], wear(gt, seeded(3)))


def test_grain_goes_up_to_its_limit_and_keeps_greys_grey() -> None:
    flat = torch.full((3, 90, 90), 0.5)
    levels = [255 * float(wear(flat, seeded(seed))[1].std()) for seed in range(120)]
    assert max(levels) <= 1.1 * MOST_SIGMA_255
    assert max(levels) > 0.8 * MOST_SIGMA_255
    greys = [wear(flat * torch.tensor([1.2, 1, 0.8]).view(3, 1, 1), seeded(seed)) for seed in range(120)]
    assert any(is_grey(image) and image[0].std() > 5 / 255 for image in greys)


@pytest.mark.parametrize("seed", range(6))
def test_sky_shows_where_the_picture_is_brightest(seed: int) -> None:
    gt = 0.6 * photo().float() / 255
    seen, grey = sky_between(gt, seeded(seed)), luma(gt)
    bright, dark = grey >= grey.flatten().quantile(0.98), grey <= grey.flatten().quantile(0.05)
    assert float(luma(seen)[bright].mean()) > max(0.6, float(grey[bright].mean()))
    assert float(luma(seen)[dark].mean()) <= float(grey[dark].mean()) + 0.35
    assert seen.shape == gt.shape
    assert float(seen.min()) >= 0
    assert float(seen.max()) <= 1


def test_what_looks_like_weather_keeps_to_the_range_and_repeats_by_its_seed() -> None:
    gt = photo().float() / 255
    for seed in range(12):
        drawn = draw_like_weather(gt, seeded(seed))
        assert torch.equal(drawn, draw_like_weather(gt, seeded(seed)))
        assert drawn.shape == gt.shape
        assert 0 <= float(drawn.min()) <= float(drawn.max()) <= 1


class Darkens(torch.nn.Module):
    """Darkens what is bright, as if it were snow, by a given amount."""

    descriptor = WeatherUNet((8, 8, 8), (1, 1, 1)).descriptor

    def __init__(self, change: float) -> None:
        super().__init__()
        self.change = change

    def forward(self, image: Tensor) -> Tensor:
        return image - self.change * (image > 0.9)


def test_parts_that_a_network_darkens_are_cut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.mistaken.age", lambda gt, rng: gt)
    plain = torch.full((3, 200, 240), 90, dtype=torch.uint8)
    spotted = plain.clone()
    spotted[:, 150:170, 200:220] = 255
    darkens, hardly = (Runner(Darkens(change), precision="float32") for change in (0.4, 0.05))
    (crop,) = mistaken_for_wet(darkens, [plain, spotted], 96, seeded(0))
    assert crop.shape == (3, 96, 96)
    assert int((crop[0] == 255).sum()) == 400
    assert mistaken_for_wet(hardly, [plain, spotted], 96, seeded(0)) == []
