"""What a picture shows is seen in one bounded view, and told to the detector at the right place."""

from pathlib import Path

import numpy as np
import pytest
import torch

from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.stages.scratch import scene
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.scratch.stage import PRINTS, Search, scene_view
from photorestore.workspace import Workspace
from tests.conftest import make_photo
from tests.unit.stages.scratch.test_scratch_stage import give_photo, judge

WIDTHS = (8, 12, 16)


@pytest.fixture(scope="module")
def detector() -> ScratchUNet:
    torch.manual_seed(0)
    network = ScratchUNet(WIDTHS, sees_scene=True).eval().requires_grad_(False)
    torch.nn.init.normal_(network.told.weight)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network


@pytest.mark.parametrize(
    ("hw", "view"),
    [((1, 1), (32, 32)), ((320, 200), (320, 192)), ((3000, 2000), (512, 352)), ((8, 4000), (32, 512))],
)
def test_the_view_is_bounded_and_keeps_the_shape(hw: tuple[int, int], view: tuple[int, int]) -> None:
    assert scene.view_of(torch.rand(1, 3, *hw)).shape[-2:] == view


def test_a_large_picture_is_sampled_before_it_is_averaged() -> None:
    image = np.zeros((3, 2500, 4000), np.uint8)
    image[:, :, 2000:] = 255
    view = scene_view(image)
    assert view.shape == (1, 3, 320, 512)
    assert float(view[..., :250].max()) < 0.01
    assert float(view[..., 262:].min()) > 0.99


def test_there_is_one_value_for_each_square_of_the_view(detector: ScratchUNet) -> None:
    assert detector.scene is not None
    shown = detector.scene(torch.rand(2, 3, 64, 96))
    assert shown.shape == (2, scene.CHANNELS, 8, 12)
    assert float(shown.min()) >= 0
    assert float(shown.max()) <= 1


def test_a_map_is_spread_over_begun_squares_too() -> None:
    shown = torch.zeros(1, 1, 4, 4)
    shown[..., 2:] = 1
    spread = scene.spread(shown, 65, 128, 16)
    assert spread.shape == (1, 1, 5, 8)
    assert float(spread[..., :3].max()) == 0
    assert float(spread[..., 5:].min()) == 1


def test_only_the_head_is_trained(detector: ScratchUNet) -> None:
    fresh = ScratchUNet(WIDTHS, sees_scene=True)
    assert fresh.scene is not None
    trained = {name for name, value in fresh.scene.named_parameters() if value.requires_grad}
    assert trained == {name for name, _ in fresh.scene.named_parameters()} - {
        name for name, _ in fresh.scene.trunk()
    }
    assert all(name.startswith(("laterals", "tail")) for name in trained)


def test_a_fresh_detector_answers_as_one_that_is_not_told() -> None:
    torch.manual_seed(0)
    told, untold = ScratchUNet(WIDTHS, sees_scene=True).eval(), ScratchUNet(WIDTHS).eval()
    told.load_state_dict({**told.state_dict(), **untold.state_dict()})
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(told(image), untold(image))


def test_what_is_shown_changes_the_answer_there_only(detector: ScratchUNet) -> None:
    image, shown = torch.rand(1, 3, 64, 256), torch.zeros(1, scene.CHANNELS, 8, 32)
    other = shown.clone()
    other[..., 0] = 1
    change = (detector(image, shown) - detector(image, other)).abs()
    assert float(change[..., :8].max()) > 1e-3
    assert float(change[..., 128:].max()) == 0


def test_without_a_map_the_image_is_the_whole_picture(detector: ScratchUNet) -> None:
    image = torch.rand(1, 3, 64, 96)
    assert torch.equal(detector(image), detector(image, detector.show(image)))


def test_the_stage_tells_each_scale_what_the_whole_picture_shows(
    detector: ScratchUNet, tmp_path: Path
) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options()), 200, 1201), "thorough")
    runner = Runner(detector, precision="float32", tile_px=256)
    jobs = Search.of(workspace).jobs(PRINTS, runner)
    assert [job.planes["scene"].shape for job in jobs] == [
        (scene.CHANNELS, 25, 151),
        (scene.CHANNELS, 13, 76),
    ]
    image = torch.from_numpy(make_photo(200, 1201)).permute(2, 0, 1)[None].float() / 255
    expected = scene.spread(runner.part("scene")(scene.view_of(image)), 200, 1201, 8)
    told = torch.from_numpy(jobs[0].planes["scene"].astype(np.float32)) / 65535
    assert float((told - expected[0]).abs().max()) < 1e-4
