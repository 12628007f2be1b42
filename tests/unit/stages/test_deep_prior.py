"""Deep Image Prior as a method of three stages: whole pictures, in steps that are noted, until nobody waits."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore import long_work
from photorestore.networks import deep_prior
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.progress import note_steps, noted_steps
from photorestore.stages.base import run_stage
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.denoise.stage import DenoiseStage
from photorestore.stages.networked import NetworkStage
from photorestore.stages.translate.network import Translator
from photorestore.stages.translate.stage import TranslateStage
from photorestore.stages.upscale.network import Upscaler
from photorestore.stages.upscale.stage import CLEAN, UpscaleStage
from photorestore.workspace import Array, Workspace
from tests.conftest import make_photo, problem_of

OPTIONS: dict[str, dict[str, Any]] = {
    "denoise": {"denoise_method": "dip"},
    "translate": {"translate_method": "dip"},
    "upscale": {"upscale_method": "dip", "scale": 2},
}
TRANSLATOR = {
    "latent": 8, "vae_width": 8, "mapping_width": 8, "mapping_depth": 2, "fusion_width": 8, "fusion_depth": 1
}  # fmt: skip


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_prior, "STEPS", 3)


def stage_of(name: str) -> NetworkStage:
    torch.manual_seed(0)
    if name == "denoise":
        return DenoiseStage({name: Runner(DenoiseUNet((8, 16), (1, 1)).eval(), tile_px=512)})
    if name == "upscale":
        return UpscaleStage({CLEAN: Runner(Upscaler(8, 2).reparameterise().eval(), tile_px=512)})
    usual = Runner(Translator(**TRANSLATOR).eval(), tile_px=512)
    return TranslateStage({"translate": usual, "translate_print": usual})


def prepared(tmp_path: Path, name: str, image: Array | None = None) -> Workspace:
    workspace = Workspace.create(tmp_path, Options(**OPTIONS[name]))
    image = make_photo(40, 51).transpose(2, 0, 1) if image is None else image
    workspace.write_plane("image", image)
    if name == "translate":
        mask = np.zeros((1, *image.shape[1:]), np.uint8)
        mask[:, ::2, ::3] = 255
        workspace.write_plane("hole_mask", mask)
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = replace(SOUND, sigma_255=20.0, noisy=True)
    return workspace


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", ["colour", "grey", "16 bits", "1x1"])
def test_pictures_of_all_kinds_are_restored_and_the_bytes_repeat(
    tmp_path: Path, name: str, kind: str
) -> None:
    image: np.ndarray = make_photo(40, 51).transpose(2, 0, 1)
    if kind == "grey":
        image = np.repeat(image[:1], 3, 0)
    elif kind == "16 bits":
        image = image.astype(np.uint16) * 257
    elif kind == "1x1":
        image = image[:, :1, :1]
    stage, results = stage_of(name), list[np.ndarray]()
    for _ in range(2):
        workspace = prepared(tmp_path, name, image)
        run_stage(stage, [workspace])
        assert workspace.envelope.problem is None
        assert "dip" in workspace.envelope.trace[name].note
        results.append(np.array(workspace.current()))
    assert np.array_equal(results[0], results[1])
    scale = workspace.options.scale
    assert results[0].shape == (3, scale * image.shape[1], scale * image.shape[2])
    assert kind != "grey" or (results[0] == results[0][:1]).all()
    if name == "translate":
        sound = workspace.plane("hole_mask")[0] == 0
        factor = np.iinfo(results[0].dtype).max // np.iinfo(image.dtype).max
        assert np.array_equal(results[0][:, sound], image[:, sound].astype(np.uint16) * factor)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("noted", [[0], [0, 10]])
def test_it_notes_its_steps_stops_once_cancelled_and_keeps_no_turn_from_others(
    tmp_path: Path, name: str, noted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_prior, "STEPS", 12)
    monkeypatch.setattr(deep_prior, "LOOK_EVERY", 6)
    monkeypatch.setattr(deep_prior, "PATIENCE", 0)  # the first fit ends after 6 steps
    workspace, stage, seen = prepared(tmp_path, name), stage_of(name), list[dict[str, tuple[int, int]]]()

    def note(*given: Any) -> None:
        note_steps(*given)
        seen.append(noted_steps(workspace.directory))
        if len(seen) == len(noted):
            workspace.cancel()

    class NoTurn(nullcontext[None]):
        def __enter__(self) -> None:
            raise AssertionError("it computes on one thread, which is less than a turn gives")

    monkeypatch.setattr("photorestore.stages.deep_prior.note_steps", note)
    stage.take_turns(NoTurn())
    run_stage(stage, [workspace])
    assert problem_of(workspace.envelope).type == "cancelled"
    assert seen == [{name: (done, 12)} for done in noted]


@pytest.mark.parametrize("name", OPTIONS)
def test_larger_pictures_are_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "LARGEST_PX", 40 * 51 - 1)
    workspace = prepared(tmp_path, name)
    run_stage(stage_of(name), [workspace])
    found = problem_of(workspace.envelope)
    assert (found.type, found.status) == ("unsupported-option", 400)
    assert f"{name}_method=dip restores pictures of at most 2039 pixels" in found.detail
