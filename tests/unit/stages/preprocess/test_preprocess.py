"""The stage preprocess: planes, metadata files, source, estimates, masks."""

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.sound import SOUND
from photorestore.errors import BrokenArtifact, OutOfSpace
from photorestore.imaging import Limits, write_array
from photorestore.networks.descriptor import IMAGE, Descriptor, Part
from photorestore.networks.runner import Runner
from photorestore.options import Options
from photorestore.source import Source
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess import stage
from photorestore.stages.preprocess.findings import Decided, PreprocessFindings, decided_of, findings_of
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace
from tests.conftest import add_noise, loaded_stage, make_photo, problem_of, source_of

PHOTO = make_photo(60, 90, seed=3)


def saved(picture: Image.Image | np.ndarray, kind: str = "PNG", **settings: object) -> bytes:
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, kind, **settings)
    return file.getvalue()


def turned_exif(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def preprocessed(
    root: Path, upload: bytes | None, *, mask: bytes | None = None, accept: str = "", **options: Any
) -> Workspace:
    workspace = Workspace.create(root, Options(**options), accept=accept)
    if upload is not None:
        workspace.write_file("upload", upload)
    if mask is not None:
        workspace.write_file("mask_upload", mask)
    run_stage(loaded_stage("preprocess"), [workspace])
    return workspace


def test_it_writes_the_picture_and_says_what_it_was(tmp_path: Path) -> None:
    workspace = preprocessed(tmp_path, saved(PHOTO, "PNG", exif=turned_exif()))
    envelope = workspace.envelope
    assert envelope.problem is None
    assert envelope.current == "image"
    np.testing.assert_array_equal(np.moveaxis(workspace.current(), 0, -1), np.rot90(PHOTO, -1))
    assert envelope.source == Source(
        format="png",
        mode="RGB",
        bits=8,
        width=60,
        height=90,
        orientation=6,
        has_alpha=False,
        is_grey=False,
        icc=None,
        dropped=(),
    )
    assert envelope.trace["preprocess"].outcome == "ran"
    assert "turned" in envelope.trace["preprocess"].note
    assert workspace.read_file("exif") is not None
    assert workspace.read_file("icc") is None


def test_estimates_are_handed_on(tmp_path: Path) -> None:
    noisy = preprocessed(tmp_path, saved(add_noise(make_photo(200, 300), 25)))
    estimates = findings_of(noisy)
    assert estimates.noisy
    assert estimates.jpeg_quality is None
    coarse = findings_of(preprocessed(tmp_path, saved(PHOTO, "JPEG", quality=20)))
    assert coarse.jpeg_quality == 20
    assert coarse.noisy


@pytest.mark.parametrize("stages", [(), ("scratch",)])
def test_nothing_is_measured_where_nothing_goes_by_it(tmp_path: Path, stages: tuple[str, ...]) -> None:
    workspace = preprocessed(tmp_path, saved(PHOTO), stages=stages)
    assert decided_of(workspace) == Decided(one_colour=False, mode="gentle")
    assert "noise" not in workspace.envelope.trace["preprocess"].note
    with pytest.raises(BrokenArtifact, match="not measured"):
        findings_of(workspace)
    assert decided_of(preprocessed(tmp_path, saved(np.full_like(PHOTO, 90)), stages=stages)).one_colour


@pytest.mark.parametrize(
    "options",
    [
        {"stages": ("denoise",), "strength": 0.0},
        {"stages": (), "scale": 2},
        {"stages": (), "normalise": True},
    ],
)
def test_what_something_goes_by_is_measured(tmp_path: Path, options: dict[str, Any]) -> None:
    assert findings_of(preprocessed(tmp_path, saved(PHOTO), **options)).sigma_255 > 0


def test_who_reads_the_report_has_everything_measured(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, Options(stages=()))
    workspace.write_file("upload", saved(PHOTO))
    workspace.envelope.measures_all = True
    run_stage(PreprocessStage(), [workspace])
    assert findings_of(workspace).sigma_255 > 0


def test_a_mask_has_the_size_after_the_turn(tmp_path: Path) -> None:
    upload = saved(PHOTO, "JPEG", exif=turned_exif())
    values = np.zeros((90, 60), np.uint8)
    values[10:20, 5:50] = 200
    values[40, 40] = 127
    workspace = preprocessed(tmp_path, upload, mask=saved(values))
    np.testing.assert_array_equal(workspace.plane("hole_mask")[0], np.where(values >= 128, 255, 0))
    problem = preprocessed(tmp_path, upload, mask=saved(values.T)).envelope.problem
    assert problem is not None
    assert problem.type == "corrupt-image"
    assert "90x60" in problem.detail
    assert "60x90" in problem.detail


def test_a_mask_is_turned_by_its_own_exif(tmp_path: Path) -> None:
    values = np.zeros((60, 90), np.uint8)
    values[:10] = 255
    turned = saved(np.rot90(values), "PNG", exif=turned_exif())
    workspace = preprocessed(tmp_path, saved(PHOTO), mask=turned)
    np.testing.assert_array_equal(workspace.plane("hole_mask")[0], values)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "I;16"])
def test_a_mask_may_be_of_any_mode(tmp_path: Path, mode: str) -> None:
    values = np.zeros((60, 90), np.uint8)
    values[:10] = 255
    mask = Image.fromarray(values)
    mask = Image.fromarray(values.astype(np.uint16) * 257) if mode == "I;16" else mask.convert(mode)
    workspace = preprocessed(tmp_path, saved(PHOTO), mask=saved(mask))
    np.testing.assert_array_equal(workspace.plane("hole_mask")[0], values)


def test_what_is_transparent_in_a_mask_is_no_hole(tmp_path: Path) -> None:
    mask = np.full((60, 90, 4), 255, np.uint8)
    mask[30:, :, 3] = 0
    workspace = preprocessed(tmp_path, saved(PHOTO), mask=saved(mask))
    assert workspace.plane("hole_mask")[0, 0, 0] == 255
    assert workspace.plane("hole_mask")[0, 59, 0] == 0


def test_an_array_of_the_in_process_door_is_taken_over(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, Options())
    write_array(workspace, np.dstack([PHOTO, PHOTO[..., :1]]))
    run_stage(PreprocessStage(), [workspace])
    assert workspace.envelope.problem is None
    assert source_of(workspace).format == "array"
    assert source_of(workspace).has_alpha
    assert isinstance(workspace.envelope.estimates["preprocess"], PreprocessFindings)


def test_a_bare_plane_gets_a_source(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, Options())
    workspace.write_plane("image", PHOTO.transpose(2, 0, 1).astype(np.uint16) * 257)
    run_stage(PreprocessStage(), [workspace])
    assert workspace.envelope.problem is None
    assert workspace.envelope.current == "image"
    assert (source_of(workspace).bits, source_of(workspace).width) == (16, 90)


@pytest.mark.parametrize("through_array", [False, True])
def test_normalising_is_done_once_however_often_it_runs(tmp_path: Path, *, through_array: bool) -> None:
    faded = (PHOTO * 0.3 + 90).astype(np.uint8)
    workspace = Workspace.create(tmp_path, Options(normalise=True))
    if through_array:
        write_array(workspace, faded)
    else:
        workspace.write_file("upload", saved(faded))
    stage = PreprocessStage()
    run_stage(stage, [workspace])
    once = workspace.current().copy()
    run_stage(stage, [workspace])
    np.testing.assert_array_equal(workspace.current(), once)
    assert once.std() > 1.5 * faded.std()
    before = findings_of(workspace).before_normalise
    assert before is not None
    assert before.fading > 0.5


def test_running_twice_gives_the_same(tmp_path: Path) -> None:
    workspace = preprocessed(tmp_path, saved(PHOTO, "JPEG"))
    first = (workspace.current().copy(), workspace.envelope.source, workspace.envelope.estimates)
    run_stage(PreprocessStage(), [workspace])
    np.testing.assert_array_equal(workspace.current(), first[0])
    assert (workspace.envelope.source, workspace.envelope.estimates) == first[1:]


def test_room_is_asked_for_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(root: Path, needed_bytes: int) -> None:
        asked.append(needed_bytes)
        raise OutOfSpace("full")

    monkeypatch.setattr(stage, "require_room", refuse)
    workspace = preprocessed(tmp_path, saved(PHOTO))
    assert problem_of(workspace.envelope).status == 503
    assert not workspace.path("image.npy").exists()
    assert asked[0] >= 60 * 90 * (3 + 6 + 2 + 6)


@pytest.mark.parametrize(
    ("upload", "accept", "type_"),
    [
        (b"", "", "not-an-image"),
        (b"<svg/>", "", "not-an-image"),
        (saved(PHOTO)[:2000], "", "truncated-image"),
        (saved(PHOTO), "text/html", "not-acceptable"),
        (None, "", "internal"),
    ],
)
def test_what_cannot_be_done_is_a_problem(
    tmp_path: Path, upload: bytes | None, accept: str, type_: str
) -> None:
    problem = preprocessed(tmp_path, upload, accept=accept).envelope.problem
    assert problem is not None
    assert (problem.type, problem.stage) == (type_, "preprocess")


def test_enlarging_needs_room_for_what_is_enlarged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(stage, "require_room", lambda _root, needed_bytes: asked.append(needed_bytes))
    opaque, transparent = Image.fromarray(PHOTO), Image.fromarray(np.dstack([PHOTO, PHOTO[..., :1]]))
    for picture, scale in ((opaque, 1), (opaque, 4), (transparent, 1), (transparent, 4)):
        preprocessed(tmp_path, saved(picture), scale=scale)
    plain, enlarged, clear, clear_enlarged = (needed / (60 * 90) for needed in asked)
    assert enlarged - plain == 16 * (6 + 3) - 3
    assert clear_enlarged - clear == 16 * (6 + 3 + 1) - 3


@pytest.mark.parametrize("through_array", [False, True])
def test_what_would_become_too_large_is_refused(tmp_path: Path, *, through_array: bool) -> None:
    for scale, refused in ((2, False), (4, True)):
        workspace = Workspace.create(tmp_path, Options(scale=scale))
        if through_array:
            write_array(workspace, PHOTO)
        else:
            workspace.write_file("upload", saved(PHOTO))
        run_stage(PreprocessStage(limits=Limits(pixels=8 * PHOTO[..., 0].size)), [workspace])
        problem = workspace.envelope.problem
        assert (problem is not None) == refused
    assert problem is not None
    assert (problem.type, problem.status) == ("image-too-large", 422)
    assert problem.detail.startswith("at scale 4 the image has 360x240 px; the limit is")


def test_limits_belong_to_the_stage(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, Options())
    workspace.write_file("upload", saved(PHOTO))
    run_stage(PreprocessStage(limits=Limits(pixels=1000)), [workspace])
    assert problem_of(workspace.envelope).type == "image-too-large"


def test_the_judgement_is_handed_on(tmp_path: Path) -> None:
    found = findings_of(preprocessed(tmp_path, saved(make_photo(200, 300))))
    assert found.kind == "photograph"
    assert found.confidence is not None
    assert 0.2 < found.confidence <= 1
    assert found.mode == "gentle"
    assert found.probabilities is not None
    assert set(found.probabilities) == {"damaged", "noisy", "faded", "toned"}
    assert not any((found.damaged, found.noisy, found.faded))


def test_the_mode_is_that_of_the_options(tmp_path: Path) -> None:
    for mode in ("gentle", "thorough"):
        assert findings_of(preprocessed(tmp_path, saved(PHOTO), mode=mode)).mode == mode


def test_a_bilevel_picture_is_left_alone_and_has_no_noise(tmp_path: Path) -> None:
    found = findings_of(preprocessed(tmp_path, saved(Image.fromarray(PHOTO).convert("1"))))
    assert found.mode == "untouched"
    assert not found.noisy


def test_nothing_is_judged_where_nothing_depends_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "judge", lambda *_: pytest.fail("judged"))
    told = {"stages": ("denoise", "scratch"), "sigma_255": 10.0}
    for options in (told, {"stages": ("scratch",)}, {"mask": saved(np.zeros((60, 90), np.uint8))}):
        workspace = preprocessed(tmp_path, saved(PHOTO), **options)
        assert workspace.envelope.problem is None
        found = decided_of(workspace)
        assert (found.mode, found.kind) == ("gentle", None)


@pytest.mark.parametrize("stage", ["translate", "denoise"])
def test_tone_and_level_depend_on_the_judgement_where_they_are_asked_for(tmp_path: Path, stage: str) -> None:
    found = findings_of(preprocessed(tmp_path, saved(PHOTO), stages=(stage,)))
    assert found.kind is not None


@pytest.mark.parametrize(
    ("kind", "noisy", "expected"),
    [("photograph", 0.6, True), ("print", 0.6, True), ("photograph", 0.4, False), ("halftone", 0.9, False)],
)
def test_photographs_and_prints_can_be_judged_noisy(kind: str, noisy: float, expected: bool) -> None:
    assert replace(SOUND, kind=kind, probabilities={"noisy": noisy}).is_judged_noisy is expected
    assert not replace(SOUND, kind=None, probabilities=None).is_judged_noisy


def test_without_a_network_pictures_are_treated_gently(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, Options())
    workspace.write_file("upload", saved(PHOTO))
    run_stage(PreprocessStage(), [workspace])
    assert findings_of(workspace).mode == "gentle"


def test_it_waits_for_nobodys_turn() -> None:
    preprocess = PreprocessStage(
        {"preprocess_judge": Runner(Part(Descriptor("none", (), IMAGE), lambda: None))}
    )
    before = preprocess.networks["preprocess_judge"].turn
    preprocess.take_turns(contextlib.nullcontext())
    assert preprocess.networks["preprocess_judge"].turn is before
