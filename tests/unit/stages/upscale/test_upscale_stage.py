from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore.networks.runner import Runner
from photorestore.networks.tiling import to_float
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess.findings import PreprocessFindings
from photorestore.stages.upscale.findings import UpscaleFindings
from photorestore.stages.upscale.network import Upscaler
from photorestore.stages.upscale.stage import CLEAN, REAL, UpscaleStage
from photorestore.workspace import Workspace
from tests.conftest import make_photo


def small_network(seed: int) -> Upscaler:
    torch.manual_seed(seed)
    network = Upscaler(8, 2)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return network.reparameterise().eval().requires_grad_(False)


@pytest.fixture
def stage() -> UpscaleStage:
    networks = {CLEAN: small_network(0), REAL: small_network(1)}
    return UpscaleStage(
        {name: Runner(network, precision="float32", tile_px=72) for name, network in networks.items()}
    )


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Workspace]:
    def prepare(
        scale: int = 2,
        *,
        hw: tuple[int, int] = (60, 80),
        alpha: np.ndarray | None = None,
        image: np.ndarray | None = None,
        found: PreprocessFindings = SOUND,
        **options: Any,
    ) -> Workspace:
        workspace = Workspace.create(tmp_path, Options(scale=scale, **options))
        workspace.write_plane("image", make_photo(*hw).transpose(2, 0, 1) if image is None else image)
        if alpha is not None:
            workspace.write_plane("alpha", alpha)
        workspace.envelope.current = "image"
        workspace.envelope.estimates["preprocess"] = found
        return workspace

    return prepare


def run(stage: UpscaleStage, *workspaces: Workspace) -> Workspace:
    run_stage(stage, workspaces)
    assert [workspace.envelope.problem for workspace in workspaces] == [None] * len(workspaces)
    return workspaces[0]


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("hw", [(60, 80), (131, 77), (1, 5)])
def test_tiles_give_what_the_network_gives_of_the_whole(
    stage: UpscaleStage, prepared: Callable[..., Workspace], hw: tuple[int, int], scale: int
) -> None:
    workspace = run(stage, prepared(scale, hw=hw))
    upscaled = workspace.plane("upscaled")
    assert workspace.envelope.current == "upscaled"
    assert upscaled.shape == (3, scale * hw[0], scale * hw[1])
    assert upscaled.dtype == np.uint16
    whole = stage.networks[CLEAN](to_float(workspace.plane("image"))[None], scale)[0]
    assert (to_float(upscaled) - whole).abs().max() < 1 / 255


def test_without_a_scale_it_passes(stage: UpscaleStage, prepared: Callable[..., Workspace]) -> None:
    workspace = run(stage, prepared(1))
    assert workspace.envelope.trace["upscale"].outcome == "passed"
    assert workspace.envelope.current == "image"


def test_the_scale_counts_whatever_stages_were_asked_for(
    stage: UpscaleStage, prepared: Callable[..., Workspace]
) -> None:
    assert run(stage, prepared(2, stages=("denoise",))).envelope.trace["upscale"].outcome == "ran"
    assert run(stage, prepared(2, strength=0)).envelope.trace["upscale"].outcome == "ran"


@pytest.mark.parametrize(
    ("found", "changed", "name"),
    [
        (SOUND, False, CLEAN),
        (replace(SOUND, jpeg_quality=95), False, CLEAN),
        (replace(SOUND, jpeg_quality=75), False, REAL),
        (replace(SOUND, noisy=True), False, REAL),
        (replace(SOUND, sigma_255=6.0), False, REAL),
        (replace(SOUND, blur=0.6), False, REAL),
        (SOUND, True, REAL),
    ],
)
def test_only_what_lacks_nothing_but_pixels_goes_to_the_network_for_that(
    stage: UpscaleStage, prepared: Callable[..., Workspace], found: dict[str, Any], changed: bool, name: str
) -> None:
    workspace = prepared(found=found)
    if changed:
        workspace.write_plane("translated", workspace.plane("image").astype(np.uint16) * 257)
        workspace.envelope.current = "translated"
    run(stage, workspace)
    assert workspace.envelope.estimates["upscale"] == UpscaleFindings(2, name)
    assert f"by {name}:" in workspace.envelope.trace["upscale"].note


def test_a_mixed_batch_gives_the_pixels_of_each_picture_alone(
    stage: UpscaleStage, prepared: Callable[..., Workspace]
) -> None:
    alpha = np.full((1, 60, 80), 200, np.uint8)
    cases: list[dict[str, Any]] = [
        {"scale": 2},
        {"scale": 4, "found": replace(SOUND, noisy=True)},
        {"scale": 1},
        {"scale": 2, "hw": (33, 41)},
        {"scale": 2, "alpha": alpha},
    ]
    together = [prepared(**case) for case in cases]
    run(stage, *together)
    for case, workspace in zip(cases, together, strict=True):
        alone = run(stage, prepared(**case))
        assert (alone.current() == workspace.current()).all()


def test_opacity_is_enlarged_without_ringing_and_keeps_its_depth(
    stage: UpscaleStage, prepared: Callable[..., Workspace]
) -> None:
    alpha = np.zeros((1, 60, 80), np.uint16)
    alpha[:, 20:, 31:] = 65535
    workspace = run(stage, prepared(4, alpha=alpha))
    enlarged = workspace.alpha()
    assert enlarged is not None
    assert enlarged.shape == (1, 240, 320)
    assert enlarged.dtype == np.uint16
    assert (np.diff(enlarged.astype(int), axis=2) >= 0).all()
    assert (enlarged[:, 100:, 140:] == 65535).all()


def test_running_twice_changes_nothing(stage: UpscaleStage, prepared: Callable[..., Workspace]) -> None:
    workspace = run(stage, prepared())
    first = workspace.plane("upscaled").copy()
    assert (run(stage, workspace).plane("upscaled") == first).all()


def test_results_of_tiles_are_bounded_at_each_scale(stage: UpscaleStage) -> None:
    network = stage.networks[CLEAN]
    sides = {scale: scale * network.spec(scale).tile_px for scale in (2, 4)}
    assert sides[2] == sides[4] == 2 * 72


@pytest.mark.parametrize("scale", [2, 4])
def test_a_grey_picture_gets_no_colour(
    stage: UpscaleStage, prepared: Callable[..., Workspace], scale: int
) -> None:
    grey = make_photo(60, 80).transpose(2, 0, 1)[:1].repeat(3, 0)
    upscaled = run(stage, prepared(scale, image=grey, found=replace(SOUND, is_grey=True))).plane("upscaled")
    assert (upscaled == upscaled[:1]).all()
    assert (run(stage, prepared(scale, image=grey)).plane("upscaled") != upscaled).any()
