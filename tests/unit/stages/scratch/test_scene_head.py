"""What a picture shows is told to the detector at the right place."""

from pathlib import Path

import numpy as np
import pytest
import torch

from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.stages.preprocess.scene import features_of, plane_view, told
from photorestore.stages.preprocess.scene_network import FEATURES, SceneTrunk
from photorestore.stages.scratch.looks import TURNED, seen
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.scratch.scene_head import CHANNELS
from photorestore.stages.scratch.search import PRINTS, Search
from photorestore.workspace import Workspace
from tests.unit.stages.scratch.test_scratch_stage import give_photo, judge

WIDTHS = (8, 12, 16)


@pytest.fixture(scope="module")
def detector() -> ScratchUNet:
    torch.manual_seed(0)
    network = ScratchUNet(WIDTHS, sees_scene=True).eval().requires_grad_(False)
    torch.nn.init.normal_(network.told.weight)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network


def test_there_is_one_value_for_each_square_of_the_view(detector: ScratchUNet) -> None:
    assert detector.scene is not None
    shown = detector.scene(torch.randn(2, FEATURES, 2, 3))
    assert shown.shape == (2, CHANNELS, 8, 12)
    assert float(shown.min()) >= 0
    assert float(shown.max()) <= 1


def test_a_fresh_detector_answers_as_one_that_is_not_told() -> None:
    torch.manual_seed(0)
    knowing, other = ScratchUNet(WIDTHS, sees_scene=True).eval(), ScratchUNet(WIDTHS).eval()
    knowing.load_state_dict({**knowing.state_dict(), **other.state_dict()})
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(knowing(image, torch.rand(1, CHANNELS, 8, 8)), other(image))


def test_what_is_shown_changes_the_answer_there_only(detector: ScratchUNet) -> None:
    image, shown = torch.rand(1, 3, 64, 256), torch.zeros(1, CHANNELS, 8, 32)
    other = shown.clone()
    other[..., 0] = 1
    change = (detector(image, shown) - detector(image, other)).abs()
    assert float(change[..., :8].max()) > 1e-3
    assert float(change[..., 128:].max()) == 0


def test_the_stage_tells_each_look_what_its_view_shows(detector: ScratchUNet, tmp_path: Path) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options()), 200, 1201), "thorough")
    runner = Runner(detector, precision="float32", tile_px=256)
    trunk = Runner(SceneTrunk().eval(), precision="float32")
    jobs = Search.of(workspace, trunk).jobs(PRINTS, runner)
    shapes = [job.planes["scene"].shape for job in jobs]
    assert shapes == [(CHANNELS, 25, 151), (CHANNELS, 13, 76), (CHANNELS, 151, 25)]
    image = workspace.plane("image")
    for job, view, size in zip(
        jobs[::2], (image, seen(image, TURNED)), ((200, 1201), (1201, 200)), strict=True
    ):
        (expected,) = told(runner, features_of(trunk, plane_view(view)), *size)
        given = torch.from_numpy(job.planes["scene"].astype(np.float32)) / 65535
        assert float((given - expected[0]).abs().max()) < 1e-4


def test_a_detector_that_is_to_be_told_does_not_answer_without_a_map(detector: ScratchUNet) -> None:
    with pytest.raises(ValueError, match="expected image, scene"):
        Runner(detector, precision="float32")(torch.rand(1, 3, 64, 96))


def test_a_detector_that_is_not_told_is_given_the_picture_alone() -> None:
    runner = Runner(ScratchUNet(WIDTHS).eval(), precision="float32")
    assert told(runner, torch.rand(1, FEATURES, 2, 3), 64, 96) == ()
