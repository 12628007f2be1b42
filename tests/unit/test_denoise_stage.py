import numpy as np
import pytest
import torch

from photorestore.networks.denoise import DenoiseUNet
from photorestore.options import Options
from photorestore.stages.base import StageConfig, run_stage
from photorestore.stages.denoise import DenoiseStage
from photorestore.workspace import Workspace
from tests.conftest import make_photo


@pytest.fixture
def stage() -> DenoiseStage:
    network = DenoiseUNet((8, 16), (1, 1))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return DenoiseStage(network.eval(), StageConfig(precision="float32", tile_px=128), torch.device("cpu"))


def prepared(tmp_path, *, noisy=True, hw=(60, 80), **options) -> Workspace:
    workspace = Workspace.create(tmp_path, Options(**options))
    workspace.write_plane("image", make_photo(*hw).transpose(2, 0, 1))
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = {"sigma_255": 20.0 if noisy else 1.0, "noisy": noisy}
    return workspace


def test_noise_makes_it_work(stage, tmp_path):
    workspace = prepared(tmp_path)
    run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    assert workspace.envelope.current == "denoised"
    assert workspace.plane("denoised").dtype == np.uint16
    assert not (workspace.plane("denoised") == workspace.plane("image").astype(np.uint16) * 257).all()


@pytest.mark.parametrize(
    ("noisy", "options", "why"),
    [
        (False, {}, "no noise found"),
        (True, {"stages": ("scratch",)}, "not asked for"),
        (True, {"strength": 0}, "not asked for"),
    ],
)
def test_it_passes_and_says_why(stage, tmp_path, noisy, options, why):
    workspace = prepared(tmp_path, noisy=noisy, **options)
    run_stage(stage, [workspace])
    trace = workspace.envelope.trace["denoise"]
    assert trace.outcome == "passed"
    assert why in trace.note
    assert workspace.envelope.current == "image"


def test_it_works_when_asked_for_whatever_the_estimate_says(stage, tmp_path):
    workspace = prepared(tmp_path, noisy=False, stages=("denoise",))
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["denoise"].outcome == "ran"


def test_with_a_mask_only_the_mask_is_restored(stage, tmp_path):
    workspace = prepared(tmp_path)
    workspace.write_plane("hole_mask", np.zeros((1, 60, 80), np.uint8))
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["denoise"].outcome == "passed"


def test_half_the_strength_lies_half_way(stage, tmp_path):
    full, half = prepared(tmp_path), prepared(tmp_path, strength=0.5)
    run_stage(stage, [full, half])
    image = full.plane("image").astype(np.float32) * 257
    middle = (image + full.plane("denoised")) / 2
    inside = (full.plane("denoised") > 0) & (full.plane("denoised") < 65535)
    assert np.abs(middle - half.plane("denoised"))[inside].max() <= 1


def test_a_batch_gives_the_same_pixels_as_each_picture_alone(stage, tmp_path):
    sizes = [(60, 80), (200, 150), (61, 33)]
    together = [prepared(tmp_path, hw=hw) for hw in sizes]
    run_stage(stage, together)
    for hw, workspace in zip(sizes, together, strict=True):
        alone = prepared(tmp_path, hw=hw)
        run_stage(stage, [alone])
        assert (alone.plane("denoised") == workspace.plane("denoised")).all()


def test_running_twice_changes_nothing(stage, tmp_path):
    workspace = prepared(tmp_path)
    run_stage(stage, [workspace])
    first = workspace.plane("denoised").copy()
    run_stage(stage, [workspace])
    assert (workspace.plane("denoised") == first).all()
