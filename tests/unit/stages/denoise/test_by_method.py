from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.deblur.stage import DeblurStage
from photorestore.stages.denoise.findings import DenoiseFindings
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.denoise.shrinkage import ShrinkageCascade
from photorestore.stages.denoise.stage import DenoiseStage
from photorestore.workspace import Array, Workspace
from tests.conftest import add_noise, found_by, make_photo, problem_of

QUICK = ("csf", "kriging", "ksvd", "l0tv", "poisson-tv")


@pytest.fixture
def stage() -> DenoiseStage:
    return stage_of(128)


def stage_of(tile_px: int) -> DenoiseStage:
    torch.manual_seed(0)
    return DenoiseStage(
        {
            "denoise": Runner(DenoiseUNet((8, 16), (1, 1)).eval(), precision="float32", tile_px=tile_px),
            "denoise_csf": Runner(ShrinkageCascade(2, 8).eval(), precision="float32", tile_px=tile_px),
        }
    )


def prepared(tmp_path: Path, method: str, image: np.ndarray | None = None, **options: Any) -> Workspace:
    workspace = Workspace.create(tmp_path, Options(**{"denoise_method": method, **options}))
    noisy = add_noise(make_photo(24, 31), 20).transpose(2, 0, 1) if image is None else image
    workspace.write_plane("image", noisy)
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = replace(SOUND, sigma_255=20.0, noisy=True)
    return workspace


def done(stage: DenoiseStage, workspace: Workspace) -> Array:
    run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    assert workspace.envelope.trace["denoise"].outcome == "ran"
    assert workspace.envelope.current == "denoised"
    return workspace.plane("denoised")


def salted(photo: np.ndarray, share: float) -> np.ndarray:
    drawn = np.random.default_rng(0).random(photo.shape[1:])
    return np.where(drawn < share, np.where(drawn < share / 2, 0, np.iinfo(photo.dtype).max), photo).astype(
        photo.dtype
    )


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("hw", [(1, 1), (23, 30)])
def test_pictures_of_all_depths_and_sizes_are_denoised(
    stage: DenoiseStage, tmp_path: Path, method: str, depth: str, hw: tuple[int, int]
) -> None:
    image = add_noise(make_photo(*hw), 20).transpose(2, 0, 1)
    workspace = prepared(tmp_path, method, image if depth == "uint8" else image.astype(np.uint16) * 257)
    result = done(stage, workspace)
    assert result.shape == (3, *hw)
    assert result.dtype == np.uint16
    assert found_by(workspace, DenoiseFindings).method == method


@pytest.mark.parametrize("method", QUICK)
def test_a_grey_picture_gets_no_colour(stage: DenoiseStage, tmp_path: Path, method: str) -> None:
    grey = add_noise(make_photo(23, 30), 20)[..., :1].repeat(3, 2).transpose(2, 0, 1)
    result = done(stage, prepared(tmp_path, method, grey))
    assert (result == result[:1]).all()


@pytest.mark.parametrize("method", QUICK)
def test_it_stops_once_nobody_wants_the_result(stage: DenoiseStage, tmp_path: Path, method: str) -> None:
    workspace = prepared(tmp_path, method)
    workspace.cancel()
    with pytest.raises(Exception, match="cancelled"):
        stage.run([workspace])
    assert "denoised" not in workspace.envelope.planes


@pytest.mark.parametrize("method", ["l0tv", "kriging"])
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_impulses_are_marked_and_all_else_stays_bit_identical(
    stage: DenoiseStage, tmp_path: Path, method: str, depth: str
) -> None:
    photo = (make_photo(40, 50) // 2 + 60).transpose(2, 0, 1)
    clean = photo if depth == "uint8" else photo.astype(np.uint16) * 257
    noisy = salted(clean, 0.3)
    workspace = prepared(tmp_path, method, noisy)
    result, marked = done(stage, workspace), workspace.plane("impulses")[0] == 255
    assert (marked == (noisy != clean).any(0)).mean() > 0.99
    assert (
        result[:, ~marked] == noisy.astype(np.uint16)[:, ~marked] * (257 if depth == "uint8" else 1)
    ).all()
    found = found_by(workspace, DenoiseFindings)
    assert found.impulses == pytest.approx(marked.mean(), abs=1e-5)
    assert found.sigma_255 is None
    assert "% of the pixels replaced" in workspace.envelope.trace["denoise"].note


def test_photons_are_reckoned_from_level_and_brightness(stage: DenoiseStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, "poisson-tv", np.full((3, 20, 20), 51, np.uint8), sigma_255=25.5)
    done(stage, workspace)
    found = found_by(workspace, DenoiseFindings)
    assert found.peak == pytest.approx(0.2 / 0.1**2)
    assert found.sigma_255 == 25.5


def test_a_known_blur_is_undone_with_photon_noise_and_not_twice(stage: DenoiseStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, "poisson-tv", psf="gaussian:1")
    done(stage, workspace)
    assert found_by(workspace, DenoiseFindings).psf == "gaussian:1"
    run_stage(DeblurStage({"denoise": stage.networks["denoise"]}), [workspace])
    trace = workspace.envelope.trace["deblur"]
    assert (trace.outcome, trace.note) == ("passed", "undone by poisson-tv")


@pytest.mark.parametrize("method", QUICK)
def test_whoever_names_a_method_asks_for_it(stage: DenoiseStage, tmp_path: Path, method: str) -> None:
    workspace = prepared(tmp_path, method, mode="gentle")
    workspace.envelope.estimates["preprocess"] = SOUND
    done(stage, workspace)


def test_what_is_marked_stays_all_that_changes(stage: DenoiseStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, "csf")
    workspace.write_plane("hole_mask", np.zeros((1, 24, 31), np.uint8))
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["denoise"].outcome == "passed"


def test_pictures_of_several_methods_share_a_batch(stage: DenoiseStage, tmp_path: Path) -> None:
    batch = [prepared(tmp_path, method) for method in ("network", "csf", "l0tv")]
    run_stage(stage, batch)
    for workspace in batch:
        assert workspace.envelope.trace["denoise"].outcome == "ran"
    assert not isinstance(batch[0].envelope.estimates.get("denoise"), DenoiseFindings)


def test_a_method_whose_package_is_missing_is_the_callers_problem(
    stage: DenoiseStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    workspace = prepared(tmp_path, "bm3d")
    run_stage(stage, [workspace])
    problem = problem_of(workspace.envelope)
    assert problem.status == 400
    assert "without the package bm3d" in problem.detail


@pytest.mark.parametrize("method", ["l0tv", "csf"])
def test_tiles_give_nearly_what_the_whole_gives(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = salted(make_photo(150, 170).transpose(2, 0, 1), 0.2)
    results = []
    for tile_px in (512, 224):
        monkeypatch.setattr("photorestore.stages.denoise.by_method.TILE_PX", tile_px)
        results.append(done(stage_of(tile_px), prepared(tmp_path, method, image)).astype(int))
    assert np.abs(results[0] - results[1]).mean() / 257 < 0.5
