"""What a picture shows is seen in one bounded view, once, and handed on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from photorestore.networks.runner import Runner, load_runner
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess import scene
from photorestore.stages.preprocess.scene_network import (
    FEATURES,
    STRIDE,
    WIDTHS,
    SceneTrunk,
    spread,
    unfolded,
    view_of,
)
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.stages.scratch.stage import ScratchStage
from photorestore.workspace import Workspace
from tests.conftest import make_photo


@pytest.fixture(scope="module")
def trunk() -> Runner[torch.Tensor]:
    return load_runner(scene.TRUNK, precision="float32")


@pytest.fixture(scope="module")
def stages() -> tuple[PreprocessStage, ScratchStage]:
    names = ("preprocess_judge", "scratch_print", "scratch", "scratch_glance", scene.TRUNK)
    networks = {name: load_runner(name, precision="float32") for name in names}
    return PreprocessStage(networks), ScratchStage(networks)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the views that are looked at."""
    seen: list[tuple[int, ...]] = []
    forward = SceneTrunk.forward

    def noting(self: SceneTrunk, view: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(view.shape))
        return forward(self, view)

    monkeypatch.setattr(SceneTrunk, "forward", noting)
    return seen


@pytest.fixture
def given(tmp_path: Path) -> Callable[..., Workspace]:
    def give(**options: object) -> Workspace:
        workspace = Workspace.create(tmp_path, Options(**options))  # type: ignore[arg-type]
        workspace.write_plane("image", np.ascontiguousarray(make_photo(90, 130).transpose(2, 0, 1)))
        return workspace

    return give


@pytest.mark.parametrize(
    ("hw", "view"),
    [((1, 1), (32, 32)), ((320, 200), (320, 192)), ((3000, 2000), (512, 352)), ((8, 4000), (32, 512))],
)
def test_the_view_is_bounded_and_keeps_the_shape(hw: tuple[int, int], view: tuple[int, int]) -> None:
    assert view_of(torch.rand(1, 3, *hw)).shape[-2:] == view


def test_a_large_picture_is_sampled_before_it_is_averaged() -> None:
    image = np.zeros((3, 2500, 4000), np.uint8)
    image[:, :, 2000:] = 255
    view = scene.plane_view(image)
    assert view.shape == (1, 3, 320, 512)
    assert float(view[..., :250].max()) < 0.01
    assert float(view[..., 262:].min()) > 0.99


def test_a_map_is_spread_over_begun_squares_too() -> None:
    shown = torch.zeros(1, 1, 4, 4)
    shown[..., 2:] = 1
    wide = spread(shown, 65, 128, 16)
    assert wide.shape == (1, 1, 5, 8)
    assert float(wide[..., :3].max()) == 0
    assert float(wide[..., 5:].min()) == 1


def test_features_of_all_strides_lie_in_their_places(trunk: Runner[torch.Tensor]) -> None:
    features = scene.features_of(trunk, torch.rand(2, 3, 64, 96))
    assert (features.shape, features.dtype) == ((2, FEATURES, 2, 3), torch.float16)
    parts = unfolded(features)
    assert {stride: part.shape for stride, part in parts.items()} == {
        stride: (2, channels, 64 // stride, 96 // stride) for stride, channels in WIDTHS.items()
    }
    assert torch.equal(parts[STRIDE], features[:, -WIDTHS[STRIDE] :])


def test_what_is_handed_on_comes_back_bit_for_bit(
    trunk: Runner[torch.Tensor], given: Callable[..., Workspace], looks: list[tuple[int, ...]]
) -> None:
    workspace = given()
    features = scene.see(workspace, trunk)
    scene.hand_on(workspace, features)
    assert torch.equal(scene.see(workspace, trunk), features)
    assert looks == [(1, 3, 96, 128)]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 1),
        ({"mode": "thorough"}, 2),  # and turned
        ({"stages": ("scratch",)}, 2),  # not judged, so the stage looks; and turned
        ({"normalise": True}, 2),  # judged as it came
        ({"stages": ("denoise",)}, 1),  # judged, for the level
        ({"stages": ("denoise",), "sigma_255": 9.0}, 0),
    ],
)
def test_no_view_is_looked_at_twice(
    stages: tuple[PreprocessStage, ScratchStage],
    given: Callable[..., Workspace],
    looks: list[tuple[int, ...]],
    options: dict[str, object],
    count: int,
) -> None:
    workspace = given(**options)
    for stage in stages:
        run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    assert len(looks) == count


def test_damage_is_the_same_whether_features_are_handed_on_or_not(
    stages: tuple[PreprocessStage, ScratchStage], given: Callable[..., Workspace]
) -> None:
    found = []
    for is_handed_on in (True, False):
        workspace = given(mode="thorough")
        run_stage(stages[0], [workspace])
        if not is_handed_on:
            del workspace.envelope.planes["scene"]
        run_stage(stages[1], [workspace])
        found.append(np.array(workspace.plane("scratch_prob")))
    handed_on, seen_anew = found
    assert np.array_equal(handed_on, seen_anew)
