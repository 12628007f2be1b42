"""Trainings from the first picture to the file of weights, with small networks and few steps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from photorestore.networks.weights import build_network, read_metadata, weights_file
from photorestore.stages.deblur.network import DeblurUNet
from photorestore.stages.denoise.shrinkage import ShrinkageCascade
from photorestore.stages.weather.haze_network import HazeNetwork
from photorestore.stages.weather.network import WeatherUNet
from tests.conftest import make_photo
from training import train_csf, train_deblur, train_weather, train_weather_haze
from training.config import read_config
from training.log import Log
from training.place import Place

CONFIGS = Path("training/configs")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(Log, "draw", lambda *_: None)  # takes longer than the training
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.fromarray(make_photo(72, 80, number)).save(tmp_path / "photos" / f"{number}.png")
    return Place(data=tmp_path, runs=tmp_path / "runs", weights=tmp_path / "weights")


def cascade_config(steps: int = 4) -> train_csf.Config:
    config = read_config(train_csf.Config, CONFIGS / "denoise_csf.fast.toml")
    return replace(
        config, tier="small", stages=2, filters=3, photos=("photos",), validation=1, patch_px=24,
        batch_size=2, total_steps=steps, greedy_share=0.5, evaluate_every=2,
    )  # fmt: skip


def deblur_config(steps: int = 2) -> train_deblur.Config:
    config = read_config(train_deblur.Config, CONFIGS / "deblur.fast.toml")
    return replace(
        config, tier="small", widths=(16, 16, 16), depths=(1, 1, 1), photos=("photos",), validation_every=2,
        patch_px=16, batch_size=2, total_steps=steps,
    )  # fmt: skip


def test_a_cascade_is_trained_stage_by_stage_and_delivered(place: Place) -> None:
    network = train_csf.train(cascade_config(), place)
    file = weights_file("denoise_csf", "small", place.weights)
    delivered = build_network(ShrinkageCascade, file)
    for name, value in delivered.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-2, rtol=1e-2)
    story = read_metadata(file)
    assert (story["steps"], story["config"]["greedy_share"], story["seed"]) == (4, 0.5, 1)
    assert set(story["metrics"]) == {
        "psnr_25_grey_db",
        "psnr_10_grey_db",
        "psnr_50_grey_db",
        "psnr_25_colour_db",
    }


def test_the_second_stage_begins_with_what_the_first_one_learned(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, torch.Tensor]] = []
    planes = ShrinkageCascade.planes

    def watched(
        network: ShrinkageCascade, *given: torch.Tensor, depth: int | None = None, frozen: int = 0
    ) -> torch.Tensor:
        if (depth, frozen) == (2, 1) and not begun:
            begun.extend({k: v.clone() for k, v in stage.state_dict().items()} for stage in network.stages)
        return planes(network, *given, depth=depth, frozen=frozen)

    monkeypatch.setattr(ShrinkageCascade, "planes", watched)
    train_csf.train(cascade_config(), place)
    first, second = begun
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_deblurring_network_is_trained_and_delivered(place: Place) -> None:
    network = train_deblur.train(deblur_config(), place)
    file = weights_file("deblur", "small", place.weights)
    delivered = build_network(DeblurUNet, file)
    for name, value in delivered.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-2, rtol=1e-2)
    assert {"shake_gain_db", "sharp_db"} <= set(read_metadata(file)["metrics"])


def test_a_network_against_rain_and_snow_is_trained_and_delivered(place: Place) -> None:
    config = replace(
        read_config(train_weather.Config, CONFIGS / "weather.fast.toml"),
        tier="small", widths=(16, 16, 16), depths=(1, 1, 1), photos=("photos",), validation_every=2, patch_px=16,
        batch_size=2, total_steps=2,
    )  # fmt: skip
    network = train_weather.train(config, place)
    file = weights_file("weather", "small", place.weights)
    delivered = build_network(WeatherUNet, file)
    for name, value in delivered.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-2, rtol=1e-2)
    assert {"rain_gain_db", "snow_gain_db", "dry_db"} <= set(read_metadata(file)["metrics"])


def test_a_network_that_sees_haze_is_trained_and_delivered(place: Place) -> None:
    config = replace(
        read_config(train_weather_haze.Config, CONFIGS / "weather_haze.fast.toml"),
        tier="small", widths=(4, 8, 8, 8, 8), photos=("photos",), validation_every=2, patch_px=32, batch_size=2,
        total_steps=2,
    )  # fmt: skip
    network = train_weather_haze.train(config, place)
    file = weights_file("weather_haze", "small", place.weights)
    delivered = build_network(HazeNetwork, file)
    for name, value in delivered.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-2, rtol=1e-2)
    assert {"haze_gain_db", "least_gain_db", "told_share"} <= set(read_metadata(file)["metrics"])


def test_a_finished_training_that_is_started_again_stays_as_it_is(place: Place) -> None:
    first = train_deblur.train(deblur_config(), place)
    again = train_deblur.train(deblur_config(), place)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    further = train_deblur.train(deblur_config(steps=3), place)
    assert any(
        not torch.equal(value, further.state_dict()[name]) for name, value in first.state_dict().items()
    )
    assert read_metadata(weights_file("deblur", "small", place.weights))["steps"] == 3


def test_a_training_that_begins_with_weights_tells_their_story(place: Place, tmp_path: Path) -> None:
    train_csf.train(cascade_config(), place)
    file = weights_file("denoise_csf", "small", place.weights)
    further = replace(place, begin=file, runs=tmp_path / "further")
    train_csf.train(cascade_config(steps=2), further)
    story = read_metadata(file)
    assert story["steps"] == 2
    assert story["begun_with"]["steps"] == 4
