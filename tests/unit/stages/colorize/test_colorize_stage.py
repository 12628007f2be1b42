from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.pixels.lab import lab_of
from photorestore.stages.base import run_stage
from photorestore.stages.colorize.bins import cells_in_gamut, colours_of
from photorestore.stages.colorize.findings import ColorizeFindings
from photorestore.stages.colorize.network import ColorizeNetwork
from photorestore.stages.colorize.stage import ColorizeStage
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.stages.preprocess.scene_network import SceneTrunk
from photorestore.workspace import Workspace
from tests.conftest import found_by, make_photo, problem_of

GUESSED_AB = (30.0, -20.0)


class Certain(torch.nn.Module):
    """Guesses one colour everywhere."""

    descriptor = ColorizeNetwork.descriptor

    def forward(self, view: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        wanted = (colours_of(cells_in_gamut()) == torch.tensor(GUESSED_AB)).all(1)
        v, u = view.shape[-2:]
        return (100.0 * wanted).view(1, -1, 1, 1).expand(1, -1, v // 4, u // 4)


@pytest.fixture(scope="module")
def stage() -> ColorizeStage:
    torch.manual_seed(0)
    trunk = Runner(SceneTrunk().eval())
    return ColorizeStage({"colorize": Runner(Certain(), precision="float32"), TRUNK: trunk})


def grey_photo(h: int, w: int, depth: str = "uint8") -> np.ndarray:
    grey = make_photo(h, w).mean(-1).round().astype(np.uint8)[None].repeat(3, 0)
    return grey if depth == "uint8" else grey.astype(np.uint16) * 257


def prepared(
    tmp_path: Path, *, hw: tuple[int, int] = (60, 81), depth: str = "uint8", **options: Any
) -> Workspace:
    workspace = Workspace.create(tmp_path, Options(**{"colorize": "learned", **options}))
    workspace.write_plane("image", grey_photo(*hw, depth))
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = SOUND
    return workspace


def done(stage: ColorizeStage, workspace: Workspace) -> torch.Tensor:
    """CIELab (1, 3, H, W) of the plane that the stage writes; it must have worked."""
    run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    assert workspace.envelope.current == "colorized"
    return lab_of(torch.from_numpy(workspace.plane("colorized").astype(np.float32) / 65535)[None])


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("hw", [(60, 81), (1, 1), (5, 300)])
def test_lightness_stays_in_pictures_of_all_depths_and_sizes(
    stage: ColorizeStage, tmp_path: Path, depth: str, hw: tuple[int, int]
) -> None:
    lab = done(stage, prepared(tmp_path, hw=hw, depth=depth))
    before = torch.from_numpy(grey_photo(*hw)).float()[None] / 255
    assert lab.shape[-2:] == hw
    torch.testing.assert_close(lab[:, :1], lab_of(before)[:, :1], atol=0.05, rtol=0)


def test_the_guess_becomes_the_colour(stage: ColorizeStage, tmp_path: Path) -> None:
    lab = done(stage, prepared(tmp_path))
    assert lab[0, 1:].flatten(1).median(1).values.tolist() == pytest.approx(GUESSED_AB, abs=1)


def test_strength_makes_colours_paler(stage: ColorizeStage, tmp_path: Path) -> None:
    lab = done(stage, prepared(tmp_path, strength={"colorize": 0.5}))
    halved = [value / 2 for value in GUESSED_AB]
    assert lab[0, 1:].flatten(1).median(1).values.tolist() == pytest.approx(halved, abs=1)


def test_hints_hold(stage: ColorizeStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, hw=(200, 300), colorize=None, hints="40,50,#607060;250,150,#605050")
    lab = done(stage, workspace)
    wanted = lab_of(torch.tensor([[0x60, 0x70, 0x60], [0x60, 0x50, 0x50]]).T[None, :, None] / 255)
    for place, (x, y) in enumerate(((40, 50), (250, 150))):
        assert lab[0, 1:, y, x].tolist() == pytest.approx(wanted[0, 1:, 0, place].tolist(), abs=3)
    assert found_by(workspace, ColorizeFindings).hints == 2


def test_a_hint_outside_the_picture_is_the_callers_fault(stage: ColorizeStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, hints="81,0,#ff0000")
    run_stage(stage, [workspace])
    problem = problem_of(workspace.envelope)
    assert (problem.status, "81x60" in problem.detail) == (400, True)


def test_a_transfer_takes_its_colours_from_the_reference(stage: ColorizeStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, colorize="transfer")
    reference = grey_photo(60, 81)
    reference[0] = np.minimum(reference[0] + 40, 255)
    workspace.write_plane("reference", reference)
    lab = done(stage, workspace)
    assert float(lab[0, 1].median()) > 5
    found = found_by(workspace, ColorizeFindings)
    assert (found.invented, found.from_reference) == (0, 1)


def test_a_reference_of_the_same_is_trusted(stage: ColorizeStage, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, hw=(120, 160), colorize="exemplar")
    reference = grey_photo(120, 160)
    reference[2] = reference[2] // 2
    workspace.write_plane("reference", reference)
    lab = done(stage, workspace)
    assert float(lab[0, 2].median()) > 5  # yellow, as the reference, not blue, as the guess
    found = found_by(workspace, ColorizeFindings)
    assert found.from_reference > 0.5
    assert found.accepted is not None
    assert found.accepted > 0.9
    assert workspace.plane("colour_confidence").mean() > 0.75 * 255


def test_how_sure_colours_are_is_kept(stage: ColorizeStage, tmp_path: Path) -> None:
    guessed = prepared(tmp_path / "guessed", hw=(200, 300))
    done(stage, guessed)
    confidence = guessed.plane("colour_confidence")
    assert confidence.shape[0] == 1
    assert set(np.unique(confidence)) == {128}  # the network says one thing only
    hinted = prepared(tmp_path / "hinted", hw=(200, 300), hints="40,50,#607060")
    done(stage, hinted)
    confidence = hinted.plane("colour_confidence")[0]
    _, v, u = hinted.plane("colour_confidence").shape
    assert confidence[50 * v // 200, 40 * u // 300] > 250
    assert confidence.min() == 128
    found = found_by(hinted, ColorizeFindings)
    assert 0 < found.invented < 1
    assert found.from_reference == 0


def test_a_transfer_is_as_sure_as_a_level_of_the_reference_has_one_colour(
    stage: ColorizeStage, tmp_path: Path
) -> None:
    ramp = np.linspace(0, 255, 96 * 96).astype(np.uint8).reshape(96, 96)
    motley = np.random.default_rng(0).integers(-60, 60, (3, 96, 96))
    shares = []
    for name, reference in (("one", np.stack([ramp] * 3)), ("motley", ramp + motley)):
        workspace = prepared(tmp_path / name, colorize="transfer")
        workspace.write_plane("reference", reference.clip(0, 255).astype(np.uint8))
        done(stage, workspace)
        shares.append(float(workspace.plane("colour_confidence").mean()))
    assert shares[0] == 128
    assert shares[1] < 100


@pytest.mark.parametrize("options", [{"colorize": None}, {"strength": 0.0}])
def test_nobody_gets_colours_unasked(stage: ColorizeStage, tmp_path: Path, options: dict[str, Any]) -> None:
    workspace = prepared(tmp_path, **options)
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["colorize"].outcome == "passed"
    assert "colorized" not in workspace.envelope.planes
