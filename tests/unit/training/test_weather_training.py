"""Weather that the network learns from."""

import math
from pathlib import Path

import pytest
import torch

from photorestore.stages.weather.hazing import clear
from tests.conftest import make_photo
from training.config import read_config
from training.data import middle
from training.degradations.weather import depth, haze, rain, snow
from training.train_weather import VIEW_PX, WEATHERS, Config, evaluate, make_sample


def photo(side_px: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(make_photo(side_px, side_px + 10, seed)).permute(2, 0, 1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("falls", [rain, snow])
@pytest.mark.parametrize("seed", range(4))
def test_what_falls_brightens_repeats_by_its_seed_and_keeps_to_the_range(falls: object, seed: int) -> None:
    assert callable(falls)
    image = photo(90, seed).float() / 255 * 0.6
    fallen = falls(image, seeded(seed))
    assert torch.equal(fallen, falls(image, seeded(seed)))
    assert fallen.shape == image.shape
    assert float((fallen - image).min()) >= -1e-4
    assert float((fallen - image).max()) > 0.05
    assert float(fallen.max()) <= 1 + 1e-4


def test_streaks_are_long_downwards_and_flakes_are_not() -> None:
    def alike(image: torch.Tensor, axis: int) -> float:
        """How far a picture is like itself, moved by 3 px along an axis."""
        change = image - image.mean()
        return float((change * change.roll(3, axis)).mean() / change.square().mean())

    dark = torch.full((3, 128, 128), 0.2)
    streaks = [rain(dark, seeded(seed)) for seed in range(6)]
    assert sum(alike(one, 1) - alike(one, 2) for one in streaks) / 6 > 0.2
    flakes = [snow(dark, seeded(seed)) for seed in range(6)]
    assert abs(sum(alike(one, 1) - alike(one, 2) for one in flakes)) / 6 < 0.2


@pytest.mark.parametrize("seed", range(4))
def test_haze_follows_its_model(seed: int) -> None:
    image = photo(80, seed).float() / 255
    seen, share, air = haze(image, seeded(seed))
    assert share.shape == (1, 80, 90)
    assert 0 < float(share.min()) <= float(share.max()) <= 1
    assert 0.3 <= float(air.min()) <= float(air.max()) <= 1
    torch.testing.assert_close(clear(seen[None], share[None], air[None])[0], image, atol=5e-3, rtol=0)


def test_depth_fills_its_range() -> None:
    low, high = depth(photo(70).float() / 255, seeded(2)).aminmax()
    assert float(low) == 0
    assert float(high) == pytest.approx(1)


def test_dry_samples_are_their_own_targets_and_others_are_brighter() -> None:
    config = read_config(Config, Path("training/configs/weather.fast.toml"))
    rng, photos = seeded(0), [photo(3 * config.patch_px)]
    samples = [make_sample(photos, [], config, rng) for _ in range(30)]
    assert all(part.shape == (3, config.patch_px, config.patch_px) for sample in samples for part in sample)
    kept = [torch.equal(lq, gt) for lq, gt in samples]
    assert 5 <= sum(kept) <= 19
    fallen = [float((lq - gt).mean()) for (lq, gt), is_dry in zip(samples, kept, strict=True) if not is_dry]
    assert sum(fallen) / len(fallen) > 0.01


def test_mistaken_parts_are_seen_dry_only() -> None:
    config = read_config(Config, Path("training/configs/weather.fast.toml"))
    side_px, rng = 2 * config.patch_px, seeded(0)
    photos = [torch.full((3, side_px, side_px), 20, dtype=torch.uint8)]
    mistaken = [torch.full((3, side_px, side_px), 230, dtype=torch.uint8)]
    samples = [make_sample(photos, mistaken, config, rng) for _ in range(100)]
    from_mistaken = [torch.equal(lq, gt) for lq, gt in samples if float(gt.median()) > 0.8]
    assert len(from_mistaken) >= 6
    assert sum(from_mistaken) >= len(from_mistaken) - 4  # haze and things drawn in make others bright as well


def test_gains_are_over_the_wet_picture_and_dry_ones_are_measured_as_well() -> None:
    photos = [photo(100), photo(110)]
    kept = evaluate(lambda image: image, photos)  # type: ignore[arg-type]
    gains = {f"{look}{name}_gain_db" for name in WEATHERS for look in ("", "print_")}
    dry = {"dry_db", "least_dry_db", "print_dry_db", "least_print_dry_db"}
    assert set(kept) == gains | dry
    assert all(kept[name] == 0 for name in gains)
    assert all(kept[name] == math.inf for name in dry)
    darkened = evaluate(lambda image: image - 0.1, photos)  # type: ignore[arg-type]
    assert darkened["dry_db"] == pytest.approx(20, abs=1e-3)


def test_the_middle_of_a_photograph_is_looked_at() -> None:
    assert middle(photo(100), VIEW_PX).shape == (3, 100, 110)
    large = photo(400)
    assert torch.equal(middle(large, VIEW_PX), large[:, 104 : 104 + VIEW_PX, 109 : 109 + VIEW_PX])
