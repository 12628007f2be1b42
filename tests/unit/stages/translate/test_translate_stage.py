from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore.networks.descriptor import Network
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.source import Source
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess.findings import PreprocessFindings
from photorestore.stages.translate.findings import TranslateFindings
from photorestore.stages.translate.network import Translator
from photorestore.stages.translate.stage import (
    FOR_PRINTS,
    SAMPLE_PX,
    TONE,
    USUAL,
    TranslateStage,
    sample,
)
from photorestore.stages.translate.tone_network import ToneNetwork
from photorestore.workspace import Workspace
from tests.conftest import found_by, make_photo

SMALL = {
    "latent": 8, "vae_width": 8, "mapping_width": 8, "mapping_depth": 2, "fusion_width": 8, "fusion_depth": 1
}  # fmt: skip
FADED = replace(SOUND, faded=True, fading=0.8, mode="thorough")


def _translator() -> Translator:
    network = Translator(**SMALL).eval().requires_grad_(False)
    torch.nn.init.normal_(network.fusion.tail.weight, std=0.3)
    assert network.fusion.tail.bias is not None
    torch.nn.init.constant_(network.fusion.tail.bias, 0.2)
    return network


@pytest.fixture
def stage() -> TranslateStage:
    network, for_prints = _translator(), _translator()
    tone = ToneNetwork((8, 8, 8), 16).eval().requires_grad_(False)
    networks: dict[str, Network[Any]] = {USUAL: network, FOR_PRINTS: for_prints, TONE: tone}
    bound: dict[str, Any] = {"precision": "float32", "tile_px": 320, "tile_batch": 2}
    return TranslateStage({name: Runner(network, **bound) for name, network in networks.items()})


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Workspace]:
    """A workspace holding a picture, as the stages before leave it."""

    def build(
        *,
        mask: np.ndarray | None = None,
        found: np.ndarray | None = None,
        denoised: bool = False,
        options: Options | None = None,
        judged: PreprocessFindings = SOUND,
        hw: tuple[int, int] = (150, 230),
        dtype: str = "uint8",
    ) -> Workspace:
        workspace = Workspace.create(tmp_path / "spaces", options or Options())
        photo = make_photo(*hw).transpose(2, 0, 1)
        workspace.write_plane("image", photo.astype(dtype) * (257 if dtype == "uint16" else 1))
        workspace.envelope.current = "image"
        workspace.envelope.estimates["preprocess"] = judged
        if denoised:
            workspace.write_plane("denoised", photo.astype(np.uint16) * 257 // 2)
            workspace.envelope.current = "denoised"
        if mask is not None:
            workspace.write_plane("hole_mask", mask)
        if found is not None:
            workspace.write_plane("scratch_mask", found)
        return workspace

    return build


def hole(
    hw: tuple[int, int] = (150, 230), rows: slice = slice(20, 40), columns: slice = slice(30, 50)
) -> np.ndarray:
    mask = np.zeros((1, *hw), np.uint8)
    mask[:, rows, columns] = 255
    return mask


def as_u16(plane: np.ndarray) -> np.ndarray:
    return plane.astype(np.uint16) * (257 if plane.dtype == np.uint8 else 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("denoised", [False, True])
def test_every_pixel_outside_the_callers_mask_keeps_its_value(
    stage: TranslateStage, make: Callable[..., Workspace], dtype: str, denoised: bool
) -> None:
    workspace = make(mask=hole(), dtype=dtype, denoised=denoised, judged=FADED)
    before, outside = as_u16(workspace.current()), hole()[0] == 0
    run_stage(stage, [workspace])
    assert workspace.envelope.current == "translated"
    after = workspace.current()
    assert after.dtype == np.uint16
    assert (after[:, outside] == before[:, outside]).all()
    assert (after[:, ~outside] != before[:, ~outside]).mean() > 0.5


def test_detected_damage_is_filled_and_the_rest_left_alone(
    stage: TranslateStage, make: Callable[..., Workspace]
) -> None:
    workspace = make(found=hole())
    before = as_u16(workspace.current())
    run_stage(stage, [workspace])
    changed = (workspace.current() != before).any(0)
    assert changed[22:38, 32:48].all()
    changed[10:50, 20:60] = False
    assert not changed.any()
    found = found_by(workspace, TranslateFindings)
    assert 0 < found.filled < 0.1
    assert found.tiles == 1
    assert found.tone is False


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "no damage"),
        ({"found": np.zeros((1, 150, 230), np.uint8)}, "no damage"),
        ({"mask": np.zeros((1, 150, 230), np.uint8)}, "the mask is empty"),
        ({"mask": hole(), "options": Options(stages=("denoise",))}, "not asked for"),
        ({"mask": hole(), "options": Options(strength=0)}, "not asked for"),
    ],
)
def test_passes_with_a_reason(
    stage: TranslateStage, make: Callable[..., Workspace], arguments: dict[str, Any], reason: str
) -> None:
    workspace = make(**arguments)
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["translate"].outcome == "passed"
    assert reason in workspace.envelope.trace["translate"].note
    assert workspace.envelope.current == "image"
    assert "translated" not in workspace.envelope.planes


def test_running_twice_gives_the_same(stage: TranslateStage, make: Callable[..., Workspace]) -> None:
    workspace = make(found=hole(), denoised=True)
    run_stage(stage, [workspace])
    first = workspace.current().copy()
    run_stage(stage, [workspace])
    assert (workspace.current() == first).all()
    assert workspace.envelope.problem is None


def test_a_batch_gives_what_each_picture_gives_alone(
    stage: TranslateStage, make: Callable[..., Workspace]
) -> None:
    def build() -> list[Workspace]:
        return [make(mask=hole(hw), hw=hw) for hw in ((150, 230), (90, 60), (301, 205))]

    together, alone = build(), build()
    run_stage(stage, together)
    for workspace in alone:
        run_stage(stage, [workspace])
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one.current().astype(int) - other.current()).max() <= 1


def test_strength_blends(stage: TranslateStage, make: Callable[..., Workspace]) -> None:
    whole, half = make(mask=hole()), make(mask=hole(), options=Options(strength=0.5))
    before = as_u16(whole.current()).astype(int)
    run_stage(stage, [whole, half])
    inside = np.broadcast_to(hole() > 0, before.shape)
    full = whole.current().astype(int)
    unclamped = inside & (full > 0) & (full < 65535)
    expected = (before + full) / 2
    assert np.abs(half.current() - expected)[unclamped].max() <= 1


@pytest.mark.parametrize("is_stored_grey", [True, False])
def test_a_grey_picture_stays_grey(
    stage: TranslateStage, make: Callable[..., Workspace], is_stored_grey: bool
) -> None:
    workspace = make(mask=hole(), judged=replace(SOUND, is_grey=not is_stored_grey))
    grey = np.asarray(workspace.plane("image"), np.uint8)[:1].repeat(3, axis=0)
    grey[0, 25:30, 35:40] = 250  # the damage is red
    workspace.write_plane("image", grey)
    workspace.envelope.source = Source.of_array(230, 150, 8, is_grey=is_stored_grey)
    run_stage(stage, [workspace])
    after = workspace.current()
    assert (after[0] == after[1]).all()
    assert (after[0] == after[2]).all()


@pytest.mark.parametrize("corner", [(0, 0), (90, 120)])
def test_a_wide_hole_in_one_colour_stays_this_colour(
    stage: TranslateStage, make: Callable[..., Workspace], corner: tuple[int, int]
) -> None:
    colour = np.array([200, 60, 40], np.uint8).reshape(3, 1, 1)
    rows, columns = (slice(start, start + 128) for start in corner)
    workspace = make(mask=hole((400, 330), rows, columns), hw=(400, 330))
    image = np.broadcast_to(colour, (3, 400, 330)).copy()
    image[:, rows, columns] = 255
    workspace.write_plane("image", image)
    run_stage(stage, [workspace])
    assert (workspace.current() == colour.astype(np.uint16) * 257).all()


def test_a_faded_picture_gains_contrast_as_a_whole(
    stage: TranslateStage, make: Callable[..., Workspace]
) -> None:
    workspace = make(judged=FADED)
    faded = (100 + workspace.plane("image") // 4).astype(np.uint8)
    workspace.write_plane("image", faded)
    run_stage(stage, [workspace])
    assert found_by(workspace, TranslateFindings).tone is True
    assert workspace.current().std() > 1.2 * as_u16(faded).std()


def test_a_gentle_mode_leaves_tone_alone_unless_it_is_asked_for(
    stage: TranslateStage, make: Callable[..., Workspace]
) -> None:
    gentle = replace(SOUND, faded=True, mode="gentle")
    workspace, asked = make(judged=gentle), make(judged=gentle, options=Options(stages=("translate",)))
    run_stage(stage, [workspace, asked])
    assert workspace.envelope.trace["translate"].outcome == "passed"
    assert found_by(asked, TranslateFindings).tone is True


@pytest.mark.parametrize("found", [{"toned": True}, {"is_grey": True}])
def test_toned_and_grey_pictures_keep_their_hue(
    stage: TranslateStage, make: Callable[..., Workspace], found: dict[str, Any]
) -> None:
    workspace = make(judged=replace(FADED, region=(10, 20, 120, 190), **found))
    pale = np.repeat(100 + workspace.plane("image")[:1] // 4, 3, axis=0).astype(np.uint8)
    workspace.write_plane("image", pale)
    run_stage(stage, [workspace])
    after = workspace.current()
    assert (after == after[:1]).all()
    assert (after != as_u16(pale)).any()


def test_tone_is_corrected_once_only(stage: TranslateStage, make: Callable[..., Workspace]) -> None:
    workspace = make(judged=FADED, options=Options(normalise=True))
    run_stage(stage, [workspace])
    assert workspace.envelope.trace["translate"].outcome == "passed"


def test_one_broken_item_leaves_its_neighbours_alone(
    stage: TranslateStage, make: Callable[..., Workspace]
) -> None:
    broken, sound = make(mask=hole()), make(mask=hole())
    broken.path("image.npy").unlink()
    run_stage(stage, [broken, sound])
    assert broken.envelope.problem is not None
    assert sound.envelope.current == "translated"
    assert replace(sound.envelope.trace["translate"], ms=0).outcome == "ran"


def test_the_sample_of_a_large_picture_is_small_and_keeps_every_hole() -> None:
    image, mask = np.zeros((3, 5000, 2600), np.uint8), np.zeros((1, 5000, 2600), np.uint8)
    mask[0, 4999, 1234] = 255
    small, any_hole = sample(image, mask)
    assert small.shape[1:] == any_hole.shape[1:]
    assert max(small.shape) < 2 * SAMPLE_PX
    assert any_hole.sum() == 255


def test_in_prints_the_network_for_them_is_told_how_sure_the_detector_is(
    stage: TranslateStage, make: Callable[..., Workspace]
) -> None:
    told: dict[str, list[torch.Tensor]] = {}
    for name in (USUAL, FOR_PRINTS):
        network = stage.networks[name].network
        assert isinstance(network, Translator)
        network.register_forward_hook(
            lambda _network, inputs, _result, name=name: told.setdefault(name, []).append(inputs[3])
        )
    prob = np.full((1, 150, 230), 30000, np.uint16)
    prob[hole() > 0] = 50000
    a_print = replace(SOUND, kind="print")
    for settings in (
        {"found": hole(), "judged": a_print},
        {"mask": hole(), "judged": a_print},
        {"found": hole()},
    ):
        workspace = make(**settings)
        workspace.write_plane("scratch_prob", prob)
        run_stage(stage, [workspace])
    values = {
        name: [set((certainty * 65535).round().flatten().tolist()) for certainty in seen]
        for name, seen in told.items()
    }
    assert values == {FOR_PRINTS: [{30000.0, 50000.0}], USUAL: [{0.0, 65535.0}, {0.0, 65535.0}]}


def test_what_is_beyond_doubt_in_prints_is_filled_as_in_photographs(
    stage: TranslateStage, make: Callable[..., Workspace]
) -> None:
    sure, doubtful = hole(), hole(columns=slice(120, 140))
    prob = np.where(sure > 0, 65535, 60000).astype(np.uint16)

    def filled(kind: str) -> np.ndarray:
        workspace = make(found=sure | doubtful, judged=replace(SOUND, kind=kind))
        workspace.write_plane("scratch_prob", prob)
        run_stage(stage, [workspace])
        return workspace.current()

    in_photograph, in_print = filled("photograph"), filled("print")
    different = (in_photograph != in_print).any(axis=0)
    assert not different[sure[0] > 0].any()
    assert different[doubtful[0] > 0].mean() > 0.5
