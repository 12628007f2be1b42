import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench.sound import SOUND
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.denoise.levels import MOST_ASSUMED_255
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.denoise.stage import KEPT_GRAIN, DenoiseStage
from photorestore.stages.preprocess.findings import findings_of
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace
from tests.conftest import add_noise, make_photo


@pytest.fixture
def stage() -> DenoiseStage:
    network = DenoiseUNet((8, 16), (1, 1))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return DenoiseStage({"denoise": Runner(network.eval(), precision="float32", tile_px=128)})


def prepared(
    tmp_path: Path, *, noisy: bool = True, hw: tuple[int, int] = (60, 80), **options: Any
) -> Workspace:
    workspace = Workspace.create(tmp_path, Options(**options))
    workspace.write_plane("image", make_photo(*hw).transpose(2, 0, 1))
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = replace(SOUND, sigma_255=20.0 if noisy else 1.0, noisy=noisy)
    return workspace


class Listener(torch.nn.Module):
    """A network that changes nothing and remembers the levels that it was told, in 8-bit units."""

    descriptor = DenoiseUNet((8, 16), (1, 1)).descriptor

    def __init__(self) -> None:
        super().__init__()
        self.told: set[float] = set()

    def forward(self, image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        self.told |= {round(255 * float(value), 2) for value in sigma}
        return image


class Blackening(torch.nn.Module):
    """A network whose result is black: what is left is what the stage kept."""

    descriptor = DenoiseUNet((8, 16), (1, 1)).descriptor

    def forward(self, image: torch.Tensor, _sigma: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(image)


def uploaded(tmp_path: Path, photo: np.ndarray, kind: str = "PNG", **options: Any) -> Workspace:
    """What `preprocess` makes of a file."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, kind, **({"quality": 10} if kind == "JPEG" else {}))
    workspace = Workspace.create(tmp_path, Options(**options))
    workspace.write_file("upload", file.getvalue())
    run_stage(PreprocessStage(), [workspace])
    return workspace


def stage_of(stand_in: Listener | Blackening) -> DenoiseStage:
    return DenoiseStage({"denoise": Runner(stand_in, precision="float32")})


def told(workspace: Workspace) -> tuple[float, str]:
    """The level that reaches the network, and what the trace says."""
    network = Listener()
    run_stage(stage_of(network), [workspace])
    assert workspace.envelope.problem is None
    (level,) = network.told
    return level, workspace.envelope.trace["denoise"].note


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_network_is_told_the_callers_level(tmp_path: Path, kind: str) -> None:
    workspace = uploaded(tmp_path, add_noise(make_photo(128, 128), 20), kind, sigma_255=12.5)
    assert told(workspace) == (12.5, "noise removed (sigma 12.5 of 255, given)")


def test_the_network_is_told_the_noise_that_was_found(tmp_path: Path) -> None:
    workspace = uploaded(tmp_path, add_noise(make_photo(128, 128), 20))
    level, note = told(workspace)
    assert level == findings_of(workspace).sigma_255 == pytest.approx(20, rel=0.2)
    assert "estimated" in note
    assert f"{level:.1f}" in note


def test_the_network_is_told_the_artefacts_of_a_jpeg(tmp_path: Path) -> None:
    workspace = uploaded(tmp_path, add_noise(make_photo(128, 128), 10), "JPEG")
    found = findings_of(workspace)
    level, note = told(workspace)
    assert found.artefacts_255 is not None
    assert level == pytest.approx(np.hypot(found.artefacts_255, found.sigma_255), abs=0.01)
    assert "JPEG's table" in note


def test_where_nothing_was_found_a_level_is_assumed(tmp_path: Path) -> None:
    level, note = told(uploaded(tmp_path, make_photo(128, 128), stages=("denoise",)))
    assert 1 < level <= MOST_ASSUMED_255
    assert "assumed" in note


def test_noise_makes_it_work(stage: DenoiseStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path)
    run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    assert workspace.envelope.current == "denoised"
    assert workspace.plane("denoised").dtype == np.uint16
    assert not (workspace.plane("denoised") == workspace.plane("image").astype(np.uint16) * 257).all()


def test_strength_says_how_much_of_the_noise_stays(stage: DenoiseStage, tmp_path: Path) -> None:
    planes = {}
    for strength in (0.5, 1.0):
        workspace = prepared(tmp_path, strength=strength)
        run_stage(stage, [workspace])
        planes[strength] = workspace.plane("denoised").astype(float)
    image = workspace.plane("image") * 257.0
    inner = (planes[1.0] > 0) & (planes[1.0] < 65535)
    assert np.allclose((planes[0.5] - image)[inner], 0.5 * (planes[1.0] - image)[inner], atol=1.5)


@pytest.mark.parametrize(
    ("noisy", "options", "why"),
    [
        (False, {}, "no noise found"),
        (True, {"stages": ("scratch",)}, "not asked for"),
        (True, {"strength": 0}, "not asked for"),
    ],
)
def test_it_passes_and_says_why(
    stage: DenoiseStage, tmp_path: Path, noisy: bool, options: dict[str, Any], why: str
) -> None:
    workspace = prepared(tmp_path, noisy=noisy, **options)
    run_stage(stage, [workspace])
    trace = workspace.envelope.trace["denoise"]
    assert trace.outcome == "passed"
    assert why in trace.note
    assert workspace.envelope.current == "image"


def test_it_works_when_asked_for_whatever_the_estimate_says(stage: DenoiseStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, noisy=False, stages=("denoise",))
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["denoise"].outcome == "ran"


def test_with_a_mask_only_the_mask_is_restored(stage: DenoiseStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path)
    workspace.write_plane("hole_mask", np.zeros((1, 60, 80), np.uint8))
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["denoise"].outcome == "passed"


def test_half_the_strength_lies_half_way(stage: DenoiseStage, tmp_path: Path) -> None:
    full, half = prepared(tmp_path), prepared(tmp_path, strength=0.5)
    run_stage(stage, [full, half])
    image = full.plane("image").astype(np.float32) * 257
    middle = (image + full.plane("denoised")) / 2
    inside = (full.plane("denoised") > 0) & (full.plane("denoised") < 65535)
    assert np.abs(middle - half.plane("denoised"))[inside].max() <= 1


def test_a_batch_gives_the_same_pixels_as_each_picture_alone(stage: DenoiseStage, tmp_path: Path) -> None:
    sizes = [(60, 80), (200, 150), (61, 33)]
    together = [prepared(tmp_path, hw=hw) for hw in sizes]
    run_stage(stage, together)
    for hw, workspace in zip(sizes, together, strict=True):
        alone = prepared(tmp_path, hw=hw)
        run_stage(stage, [alone])
        assert (alone.plane("denoised") == workspace.plane("denoised")).all()


def test_running_twice_changes_nothing(stage: DenoiseStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path)
    run_stage(stage, [workspace])
    first = workspace.plane("denoised").copy()
    run_stage(stage, [workspace])
    assert (workspace.plane("denoised") == first).all()


def test_a_grey_picture_gets_no_colour(stage: DenoiseStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path)
    workspace.write_plane("image", workspace.plane("image")[:1].repeat(3, 0))
    workspace.envelope.estimates["preprocess"] = replace(findings_of(workspace), is_grey=True)
    run_stage(stage, [workspace])
    denoised = workspace.plane("denoised")
    assert (denoised == denoised[:1]).all()
    assert (denoised != workspace.plane("image").astype(np.uint16) * 257).any()


@pytest.mark.parametrize(
    ("found", "options", "kept"),
    [
        ({"kind": "print", "grain_255": 12.0, "sigma_255": 2.0}, {}, KEPT_GRAIN),
        ({"kind": "print", "sigma_255": 0.0}, {}, KEPT_GRAIN),  # judged noisy, and nothing tells how much
        ({"kind": "print", "sigma_255": 20.0}, {}, 0),
        ({"kind": "print", "sigma_255": 0.4, "surface_255": 2.5, "artefacts_255": 4.0}, {}, KEPT_GRAIN),
        ({"kind": "print", "sigma_255": 0.4, "surface_255": 2.5, "artefacts_255": 9.0}, {}, 0),
        ({"kind": "photograph", "grain_255": 12.0, "sigma_255": 2.0}, {}, 0),
        ({"kind": "print", "grain_255": 12.0, "sigma_255": 2.0}, {"mode": "thorough"}, 0),
        ({"kind": "print", "grain_255": 12.0, "sigma_255": 2.0}, {"stages": ("denoise",)}, 0),
        ({"kind": "print", "grain_255": 12.0, "sigma_255": 2.0}, {"strength": 0.5}, 0.5 + KEPT_GRAIN / 2),
    ],
)
def test_a_part_of_the_grain_of_prints_stays_where_the_picture_decides(
    tmp_path: Path, found: dict[str, Any], options: dict[str, Any], kept: float
) -> None:
    workspace = prepared(tmp_path, **options)
    workspace.envelope.estimates["preprocess"] = replace(findings_of(workspace), **found)
    stage = stage_of(Blackening())
    run_stage(stage, [workspace])
    share = workspace.plane("denoised").mean() / 257 / workspace.plane("image").mean()
    assert share == pytest.approx(kept, abs=0.01)
    assert ("a part of the grain kept" in workspace.envelope.trace["denoise"].note) == (kept % 0.5 > 0)
