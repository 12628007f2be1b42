from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data

from bench.sound import SOUND
from photorestore.networks.descriptor import Network
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.source import Source
from photorestore.stages.base import run_stage
from photorestore.stages.face.detector import Face
from photorestore.stages.face.findings import FaceFindings
from photorestore.stages.face.network import FaceUNet
from photorestore.stages.face.stage import FaceStage
from photorestore.stages.preprocess.findings import PreprocessFindings
from photorestore.stages.scratch.findings import ScratchFindings
from photorestore.workspace import Workspace
from tests.conftest import found_by
from training.degradations.fading import blur

NOISY = replace(SOUND, noisy=True)


@pytest.fixture(scope="module")
def network() -> FaceUNet:
    """Changes faces, but none beyond recognition."""
    torch.manual_seed(0)
    network = FaceUNet((8, 8), (1, 1), 4).eval()
    torch.nn.init.normal_(network.tail.weight, std=0.01)
    assert network.tail.bias is not None
    torch.nn.init.constant_(network.tail.bias, 2 / 255)
    return network.requires_grad_(False)


def stage_of(network: Network[torch.Tensor], detector: Runner[list[Face]], **bound: Any) -> FaceStage:
    return FaceStage({"face": Runner(network, precision="float32", **bound), "face_detector": detector})


@pytest.fixture
def stage(network: FaceUNet, detector: Runner[list[Face]]) -> FaceStage:
    return stage_of(network, detector)


def portrait(sigma_px: float) -> np.ndarray:
    """(3, H, W) uint8: a head that has lost its sharpness."""
    head = torch.from_numpy(data.astronaut()[:256, 96:352].copy()).permute(2, 0, 1) / 255
    softened = blur(head, sigma_px) if sigma_px else head
    return (softened.clamp(0, 1) * 255).round().byte().numpy()


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Workspace]:
    def prepare(
        image: np.ndarray | None = None,
        *,
        found: PreprocessFindings = SOUND,
        options: Options | None = None,
    ) -> Workspace:
        workspace = Workspace.create(tmp_path, options or Options())
        workspace.write_plane("image", portrait(1.5) if image is None else image)
        workspace.envelope.current = "image"
        workspace.envelope.estimates["preprocess"] = found
        return workspace

    return prepare


def run(stage: FaceStage, workspace: Workspace) -> Workspace:
    run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    return workspace


def reasons(workspace: Workspace) -> list[str]:
    return [face.reason for face in found_by(workspace, FaceFindings).faces]


def test_a_blurred_face_of_an_old_photograph_is_refined_and_nothing_else(
    stage: FaceStage, prepared: Callable[..., Workspace]
) -> None:
    workspace = run(stage, prepared(found=NOISY))
    assert workspace.envelope.current == "refined"
    assert workspace.envelope.trace["face"].note == "1 of 1 face refined"
    refined, image = workspace.plane("refined"), workspace.plane("image").astype(np.uint16) * 257
    assert refined.dtype == np.uint16
    (face,) = found_by(workspace, FaceFindings).faces
    assert (face.refined, face.reason) == (True, "")
    changed = (refined != image).any(0)
    left, top, right, bottom = face.box
    assert changed[top:bottom, left:right].mean() > 0.5
    assert not changed[:5].any()
    assert not changed[-5:].any()


def test_sixteen_bits_are_kept_where_nothing_is_changed(
    stage: FaceStage, prepared: Callable[..., Workspace]
) -> None:
    image = portrait(1.5).astype(np.uint16) * 256 + 77
    workspace = run(stage, prepared(image, found=NOISY))
    assert (workspace.plane("refined")[:, -5:] == image[:, -5:]).all()


@pytest.mark.parametrize(
    ("sigma_px", "found", "stages", "ran"),
    [
        (0, SOUND, None, False),
        (1, SOUND, None, False),
        (3, SOUND, None, True),
        (1, NOISY, None, True),
        (1, replace(SOUND, faded=True), None, True),
        (1, replace(SOUND, mode="thorough"), None, True),
        (1, replace(SOUND, mode="gentle"), None, False),
        (1, SOUND, ("face",), True),
        (0, SOUND, ("face",), False),
    ],
)
def test_a_sound_picture_has_only_very_blurred_faces_refined(
    stage: FaceStage,
    prepared: Callable[..., Workspace],
    sigma_px: int,
    found: dict[str, Any],
    stages: tuple[str] | None,
    ran: bool,
) -> None:
    workspace = run(stage, prepared(portrait(sigma_px), found=found, options=Options(stages=stages)))
    assert workspace.envelope.trace["face"].outcome == ("ran" if ran else "passed")
    assert ("refined" in workspace.envelope.planes) == ran
    if not ran:
        assert workspace.envelope.trace["face"].note == "1 face left as found: already sharp"
        assert reasons(workspace)[0].startswith("already sharp")


def test_damage_that_was_found_makes_a_picture_old(
    stage: FaceStage, prepared: Callable[..., Workspace]
) -> None:
    workspace = prepared()
    workspace.envelope.estimates["scratch"] = ScratchFindings(0.01)
    assert run(stage, workspace).envelope.trace["face"].outcome == "ran"


@pytest.mark.parametrize(
    ("options", "masked", "why"),
    [
        (Options(stages=("denoise",)), False, "not asked for"),
        (Options(), True, "a mask was given"),
    ],
)
def test_it_passes_without_looking_and_says_why(
    stage: FaceStage, prepared: Callable[..., Workspace], options: Options, masked: bool, why: str
) -> None:
    workspace = prepared(found=NOISY, options=options)
    if masked:
        workspace.write_plane("hole_mask", np.zeros((1, 256, 256), np.uint8))
    run(stage, workspace)
    assert why in workspace.envelope.trace["face"].note
    assert "face" not in workspace.envelope.estimates
    assert workspace.envelope.current == "image"


def test_no_strength_finds_faces_and_leaves_them(
    stage: FaceStage, prepared: Callable[..., Workspace]
) -> None:
    workspace = run(stage, prepared(found=NOISY, options=Options(strength={"face": 0})))
    assert reasons(workspace) == ["not asked for"]
    assert workspace.envelope.trace["face"].outcome == "passed"


def test_half_the_strength_lies_half_way(stage: FaceStage, prepared: Callable[..., Workspace]) -> None:
    full, half = (
        run(stage, prepared(found=NOISY, options=Options(strength={"face": share}))) for share in (1, 0.5)
    )
    image = full.plane("image").astype(np.float32) * 257
    middle = (image + full.plane("refined")) / 2
    assert np.abs(middle - half.plane("refined")).max() <= 2


@pytest.mark.parametrize(
    ("options", "share"),
    [({}, 0.5), ({"mode": "thorough"}, 1), ({"stages": ("face",)}, 1), ({"strength": 0.5}, 0.25)],
)
def test_faces_of_prints_are_refined_half_unless_asked_for(
    stage: FaceStage, prepared: Callable[..., Workspace], options: dict[str, Any], share: float
) -> None:
    found = replace(NOISY, kind="print")
    given = run(stage, prepared(found=found, options=Options(**options)))
    same = run(stage, prepared(found=NOISY, options=Options(strength={"face": share})))
    assert np.array_equal(given.plane("refined"), same.plane("refined"))


def test_a_picture_without_faces_passes(stage: FaceStage, prepared: Callable[..., Workspace]) -> None:
    workspace = run(stage, prepared(np.full((3, 64, 80), 90, np.uint8), found=NOISY))
    assert workspace.envelope.trace["face"].note == "no faces found"
    assert workspace.envelope.estimates["face"] == FaceFindings(())


@pytest.mark.parametrize("is_stored_grey", [True, False])
def test_what_is_grey_stays_grey(
    stage: FaceStage, prepared: Callable[..., Workspace], is_stored_grey: bool
) -> None:
    grey = np.repeat(portrait(1.5).mean(0, keepdims=True).astype(np.uint8), 3, axis=0)
    workspace = prepared(grey, found=replace(NOISY, is_grey=not is_stored_grey))
    workspace.envelope.source = Source.of_array(256, 256, 8, is_grey=is_stored_grey)
    refined = run(stage, workspace).plane("refined")
    assert (refined != grey.astype(np.uint16) * 257).any()
    assert np.ptp(refined.astype(int), axis=0).max() == 0


def small_portrait(sigma_255: float = 0.0) -> np.ndarray:
    """(3, H, W) uint8: a head whose eyes are some 17 px apart, in a room, under grain."""
    head = torch.from_numpy(data.astronaut()[:256, 96:352].copy()).permute(2, 0, 1)[None] / 255
    small = torch.nn.functional.interpolate(head, (136, 136), mode="bicubic", antialias=True)
    room = torch.nn.functional.pad(small, (60, 60, 60, 60), mode="replicate")[0]
    grain = torch.randn(1, *room.shape[1:], generator=torch.Generator().manual_seed(0)) * sigma_255 / 255
    return ((blur(room, 0.8) + grain).clamp(0, 1) * 255).round().byte().numpy()


def test_a_small_face_is_refined_in_a_picture_that_is_treated_thoroughly(
    stage: FaceStage, prepared: Callable[..., Workspace]
) -> None:
    thorough = run(stage, prepared(small_portrait(), found=replace(SOUND, mode="thorough")))
    assert thorough.envelope.trace["face"].note == "1 of 1 face refined"
    left, _, right, _ = found_by(thorough, FaceFindings).faces[0].box
    assert right - left < 62


def test_a_refined_face_keeps_the_grain_of_what_is_around_it(
    stage: FaceStage, detector: Runner[list[Face]], prepared: Callable[..., Workspace]
) -> None:
    class Smoother(torch.nn.Module):
        descriptor = FaceUNet((8, 8), (1, 1), 4).descriptor

        def forward(self, crops: torch.Tensor, _strength: torch.Tensor) -> torch.Tensor:
            return torch.stack([blur(crop, 3.0) for crop in crops])

    smoother = stage_of(Smoother(), detector)
    grain = np.random.default_rng(0).normal(0, 9, (1, 256, 256))
    grainy = (portrait(2.0) + grain).clip(0, 255).round().astype(np.uint8)
    kept, lost = (
        run(smoother, prepared(grainy, found=replace(SOUND, mode=mode), options=Options(stages=("face",))))
        for mode in ("thorough", "gentle")
    )
    (face,) = found_by(kept, FaceFindings).faces
    left, top, right, bottom = face.box
    middle = np.s_[1, (top + bottom) // 2 : bottom - 10, (left + right) // 2 - 15 : (left + right) // 2 + 15]
    fine = [np.diff(workspace.plane("refined").astype(float)[middle]).std() for workspace in (kept, lost)]
    assert fine[0] == pytest.approx(257 * np.diff(grain).std(), rel=0.15)
    assert fine[1] < 0.8 * fine[0]


def test_it_starts_from_what_the_stages_before_made(
    stage: FaceStage, prepared: Callable[..., Workspace]
) -> None:
    workspace = prepared(found=NOISY)
    workspace.write_plane("translated", portrait(1.5).astype(np.uint16) * 200)
    workspace.envelope.current = "translated"
    refined = run(stage, workspace).plane("refined")
    assert (refined[:, -5:] == workspace.plane("translated")[:, -5:]).all()


def test_running_twice_changes_nothing(stage: FaceStage, prepared: Callable[..., Workspace]) -> None:
    workspace = run(stage, prepared(found=NOISY))
    first = workspace.plane("refined").copy()
    assert (run(stage, workspace).plane("refined") == first).all()


def test_batches_of_any_shape_give_the_same_faces(
    stage: FaceStage, network: FaceUNet, detector: Runner[list[Face]]
) -> None:
    crops = torch.rand(5, 3, 256, 256)
    wide = stage_of(network, detector, tile_batch=4)
    torch.testing.assert_close(
        stage._refine(crops, is_grey=False), wide._refine(crops, is_grey=False), atol=1e-5, rtol=0
    )
