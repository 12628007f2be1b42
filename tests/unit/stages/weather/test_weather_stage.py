"""The stage `weather`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.stages.base import Stage, run_stage
from photorestore.stages.weather.falling import darkened_share
from photorestore.stages.weather.findings import WeatherFindings
from photorestore.stages.weather.haze_network import Haze, HazeNetwork
from photorestore.stages.weather.hazing import clear
from photorestore.stages.weather.network import WeatherUNet
from photorestore.stages.weather.stage import LEAST_DARKENED, LEAST_PRESENCE, WeatherStage
from photorestore.stages.weather.veil import Veil
from photorestore.workspace import Workspace
from tests.conftest import found_by, loaded_stage, make_photo, problem_of
from training.degradations.lookalikes.things import grass
from training.degradations.noise import gaussian, quantise
from training.degradations.weather import haze, rain, snow

ASKED: dict[str, Any] = {"stages": ("weather",)}
HAZE: dict[str, Any] = {"weather_method": "dark-channel"}
SEEN: dict[str, Any] = {"weather_method": "haze-network"}


AIR = 0.8


class Darkening(torch.nn.Module):
    """Changes the brightness of all pixels alike."""

    descriptor = WeatherUNet((8, 8, 8), (1, 1, 1)).descriptor

    def __init__(self, change: float) -> None:
        super().__init__()
        self.change = change

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + self.change


class Even(torch.nn.Module):
    """Sees even haze."""

    descriptor = HazeNetwork.descriptor

    def __init__(self, share: float, presence: float) -> None:
        super().__init__()
        self.share, self.presence = share, presence

    def forward(self, view: torch.Tensor) -> Haze:
        share = torch.full_like(view[:, :1], self.share)
        return Haze(share, torch.full((1, 3, 1, 1), AIR), torch.tensor([self.presence]))


def stage_of(change: float = -0.1, share: float = 0.7, presence: float = LEAST_PRESENCE) -> WeatherStage:
    networks: dict[str, Runner[Any]] = {
        "weather": Runner(Darkening(change), precision="float32"),
        "weather_haze": Runner(Even(share, presence), precision="float32"),
    }
    return WeatherStage(networks)


def prepared(
    tmp_path: Path, *, hw: tuple[int, int] = (60, 81), depth: str = "uint8", **options: Any
) -> Workspace:
    workspace = Workspace.create(tmp_path, Options(**options))
    image = make_photo(*hw).transpose(2, 0, 1) // 2 + 60
    workspace.write_plane("image", image if depth == "uint8" else image.astype(np.uint16) * 257)
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = SOUND
    return workspace


def done(stage: Stage, workspace: Workspace) -> np.ndarray:
    """The plane that the stage writes, in [0, 1]; it must have worked."""
    run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    assert workspace.envelope.trace["weather"].outcome == "ran"
    assert workspace.envelope.current == "cleared"
    plane = workspace.plane("cleared")
    assert plane.dtype == np.uint16
    return np.asarray(plane / 65535.0)


def before(workspace: Workspace) -> np.ndarray:
    image = workspace.plane("image")
    return np.asarray(image / float(np.iinfo(image.dtype).max))


def passed(stage: Stage, workspace: Workspace) -> str:
    """Why the stage has passed; it must have."""
    run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    assert workspace.envelope.current == "image"
    assert workspace.envelope.trace["weather"].outcome == "passed"
    return workspace.envelope.trace["weather"].note


@pytest.mark.parametrize("options", [ASKED, HAZE, SEEN])
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("hw", [(60, 81), (1, 2), (5, 3), (700, 30)])
def test_pictures_of_all_depths_and_sizes_are_cleared(
    tmp_path: Path, options: dict[str, Any], depth: str, hw: tuple[int, int]
) -> None:
    workspace = prepared(tmp_path, hw=hw, depth=depth, **options)
    result = done(stage_of(), workspace)
    assert result.shape == (3, *hw)
    if hw[0] >= 60:
        assert result.mean() < before(workspace).mean()


def test_it_says_by_what_and_how_much(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, **ASKED)
    result = done(stage_of(), workspace)
    assert found_by(workspace, WeatherFindings) == WeatherFindings("network")
    assert workspace.envelope.trace["weather"].note == "rain or snow taken out"
    assert np.allclose(result, before(workspace) - 0.1, atol=1e-4)
    workspace = prepared(tmp_path, **HAZE)
    done(stage_of(), workspace)
    found = found_by(workspace, WeatherFindings)
    assert found.method == "dark-channel"
    assert found.haze is not None
    assert 0 < found.haze <= 0.8
    assert f"{100 * found.haze:.0f} % of the light lifted" in workspace.envelope.trace["weather"].note


def test_the_haze_that_the_network_sees_is_lifted(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, **SEEN)
    result = torch.from_numpy(done(stage_of(share=0.7), workspace))[None]
    share, air = torch.full((1, 1, 60, 81), 0.7), torch.full((1, 3, 1, 1), AIR)
    expected = clear(torch.from_numpy(before(workspace))[None], share, air).clamp(0, 1)
    torch.testing.assert_close(result, expected, atol=1e-3, rtol=0)
    assert found_by(workspace, WeatherFindings) == WeatherFindings("haze-network", 0.3)
    assert workspace.envelope.trace["weather"].note == "haze that had taken 30 % of the light lifted"


def test_where_the_network_sees_no_haze_the_picture_stays(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, **SEEN)
    note = passed(stage_of(presence=LEAST_PRESENCE - 0.01), workspace)
    assert note.startswith("no haze was found; weather_method dark-channel")
    assert "weather" not in workspace.envelope.estimates


@pytest.mark.parametrize("change", [-0.01, 0.0, 0.1])
def test_where_nothing_falls_the_picture_stays_and_haze_is_pointed_to(tmp_path: Path, change: float) -> None:
    workspace = prepared(tmp_path, **ASKED)
    assert passed(stage_of(change), workspace).startswith(
        "no rain or snow was found; weather_method haze-network"
    )
    assert "weather" not in workspace.envelope.estimates


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "thorough"},
        {"stages": ("denoise",)},
        {**HAZE, "strength": 0.0},
        {**SEEN, "strength": 0.0},
    ],
)
def test_it_works_only_where_it_is_asked_for(tmp_path: Path, options: dict[str, Any]) -> None:
    assert passed(stage_of(), prepared(tmp_path, **options)) == "not asked for"


@pytest.mark.parametrize("options", [ASKED, HAZE, SEEN])
def test_a_picture_of_one_colour_stays(tmp_path: Path, options: dict[str, Any]) -> None:
    workspace = prepared(tmp_path, **options)
    workspace.envelope.estimates["preprocess"] = replace(SOUND, one_colour=True)
    assert "one colour" in passed(stage_of(), workspace)


@pytest.mark.parametrize("options", [ASKED, HAZE, SEEN])
def test_strength_mixes_with_what_was_there(tmp_path: Path, options: dict[str, Any]) -> None:
    workspace = prepared(tmp_path, **options)
    fully, image = done(stage_of(), workspace), before(workspace)
    half = done(stage_of(), prepared(tmp_path, **options, strength={"weather": 0.5}))
    assert np.allclose(half, (fully + image) / 2, atol=1e-4)


def test_haze_is_lifted_in_strips_as_in_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = done(stage_of(), prepared(tmp_path, **HAZE))
    monkeypatch.setattr("photorestore.pixels.bands.STRIP_PX", 2000)
    assert np.abs(done(stage_of(), prepared(tmp_path, **HAZE)) - whole).max() <= 2 / 65535


def test_a_request_that_is_cancelled_ends_at_the_next_strip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, lifted, calls = prepared(tmp_path, **HAZE), Veil.lifted, []

    def watched(*given: Any) -> torch.Tensor:
        calls.append(given)
        workspace.cancel()
        return lifted(*given)

    monkeypatch.setattr("photorestore.pixels.bands.STRIP_PX", 2000)
    monkeypatch.setattr(Veil, "lifted", watched)
    run_stage(stage_of(), [workspace])
    assert problem_of(workspace.envelope).type == "cancelled"
    assert len(calls) == 1


def test_of_all_windows_the_one_counts_in_which_most_falls() -> None:
    image = np.full((3, 1000, 1000), 128, np.uint8)

    class Corner(Darkening):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.where(image > 0.6, image - 0.3, image)

    network: Runner[torch.Tensor] = Runner(Corner(0), precision="float32")
    assert darkened_share(image, network) == 0
    image[:, 600:664, 600:664] = 200
    assert darkened_share(image, network) == pytest.approx((64 / 256) ** 2)
    assert darkened_share(image[:, :100, :100], network) == 0


@pytest.mark.parametrize("falls", [rain, snow])
def test_with_our_weights_what_falls_goes_and_a_dry_picture_stays(
    tmp_path: Path, falls: Callable[[torch.Tensor, torch.Generator], torch.Tensor]
) -> None:
    workspace = prepared(tmp_path, hw=(200, 240), **ASKED)
    assert passed(loaded_stage("weather"), workspace).startswith("no rain or snow")
    dry = before(workspace)
    fallen = falls(torch.from_numpy(dry).float(), torch.Generator().manual_seed(5)).clamp(0, 1).numpy()
    workspace = prepared(tmp_path, hw=(200, 240), **ASKED)
    workspace.write_plane("image", (fallen * 255).round().astype(np.uint8))
    result = done(loaded_stage("weather"), workspace)
    assert np.square(result - dry).mean() < np.square(fallen - dry).mean() / 4


@pytest.mark.parametrize("seed", [1, 8])
def test_with_our_weights_bright_grass_on_a_grainy_print_is_no_rain(tmp_path: Path, seed: int) -> None:
    photo = torch.from_numpy(make_photo(200, 240, seed)).permute(2, 0, 1) / 510
    grown = torch.lerp(photo, *grass(200, 240, torch.Generator().manual_seed(seed))).mean(0, keepdim=True)
    grainy = gaussian(grown, 8 / 255, torch.Generator().manual_seed(seed)).expand(3, -1, -1)
    workspace = prepared(tmp_path, hw=(200, 240), **ASKED)
    workspace.write_plane("image", (quantise(grainy) * 255).byte().numpy())
    assert passed(loaded_stage("weather"), workspace).startswith("no rain or snow")


def test_with_our_weights_haze_goes_and_a_clear_picture_stays(tmp_path: Path) -> None:
    deep = (make_photo(200, 240, 1) / 255.0) ** 2 * 255  # a made photograph's own blacks are pale
    workspace, clear_one = prepared(tmp_path, **SEEN), deep.round().astype(np.uint8).transpose(2, 0, 1)
    workspace.write_plane("image", clear_one)
    assert passed(loaded_stage("weather"), workspace).startswith("no haze")
    scene = torch.from_numpy(clear_one).float() / 255
    hazy = haze(scene, torch.Generator().manual_seed(5))[0]
    workspace = prepared(tmp_path, **SEEN)
    workspace.write_plane("image", (hazy * 255).round().byte().numpy())
    result = done(loaded_stage("weather"), workspace)
    assert np.square(result - scene.numpy()).mean() < float((hazy - scene).square().mean()) / 4


def test_what_is_changed_both_ways_is_the_photographs_own() -> None:
    class Smoothing(Darkening):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean((2, 3), keepdim=True).expand_as(image)

    stripes = np.zeros((3, 64, 64), np.uint8)
    stripes[:, :, ::2] = 255
    assert darkened_share(stripes, Runner(Smoothing(0), precision="float32")) < LEAST_DARKENED
