import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from bench.sound import SOUND
from photorestore import pipeline
from photorestore.errors import BrokenArtifact, CorruptImage, NotAnImage, by_type
from photorestore.imaging import put_picture
from photorestore.options import SELECTABLE_STAGES, STAGES, Options
from photorestore.stages.face.findings import FaceFindings
from photorestore.stages.preprocess.findings import PreprocessFindings
from photorestore.stages.upscale.findings import UpscaleFindings
from photorestore.workspace import Workspace
from tests.conftest import add_noise, make_photo


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Pipeline:
    return pipeline.load(root=tmp_path_factory.mktemp("spaces"))


def as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_clean_picture_comes_back_as_it_went_in(loaded: pipeline.Pipeline) -> None:
    photo = make_photo(120, 160)
    restored = loaded.restore(photo, Options(format="png"))
    assert (restored.image == photo).all()
    assert (np.asarray(Image.open(io.BytesIO(restored.encoded))) == photo).all()
    assert restored.content_type == "image/png"


def test_noise_is_removed_and_every_stage_says_what_it_did(loaded: pipeline.Pipeline) -> None:
    photo = make_photo(200, 260)
    noisy = add_noise(photo, 25)
    restored = loaded.restore(as_png(noisy), Options(format="png"))
    error, error_before = (np.abs(pixels.astype(int) - photo).mean() for pixels in (restored.image, noisy))
    assert error < error_before / 2
    assert list(restored.report.trace) == list(STAGES)
    assert restored.report.trace["denoise"].outcome == "ran"
    assert all(trace.ms > 0 for trace in restored.report.trace.values())


def test_outside_of_the_callers_mask_nothing_changes(loaded: pipeline.Pipeline) -> None:
    photo = add_noise(make_photo(120, 160), 25)
    mask = np.zeros((120, 160), np.uint8)
    mask[40:60, 50:90] = 255
    restored = loaded.restore(photo, Options(format="png"), mask=Image.fromarray(mask))
    assert (restored.image[mask == 0] == photo[mask == 0]).all()
    assert (restored.image[mask > 0] != photo[mask > 0]).any()


def test_the_same_input_gives_the_same_bytes(loaded: pipeline.Pipeline) -> None:
    noisy = add_noise(make_photo(90, 70), 20)
    assert loaded.restore(noisy).encoded == loaded.restore(noisy).encoded


@pytest.mark.parametrize("options", [{"scale": 2}, {"stages": ["denoise", "scratch", "translate"]}])
def test_the_bytes_do_not_depend_on_how_many_threads_compute(
    loaded: pipeline.Pipeline, options: dict[str, Any]
) -> None:
    noisy, threads, answers = add_noise(make_photo(48, 700), 25), torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            answers.append(loaded.restore(noisy, Options.from_mapping({"format": "png"} | options)).encoded)
    finally:
        torch.set_num_threads(threads)
    assert answers[0] == answers[1] == answers[2]


def test_16_bits_stay_16_bits(loaded: pipeline.Pipeline) -> None:
    photo = make_photo(64, 64).astype(np.uint16) * 257
    restored = loaded.restore(photo, Options(stages=(), format="png"))
    assert restored.image.dtype == np.uint16
    assert (restored.image == photo).all()


def test_a_face_of_an_old_photograph_is_refined_and_the_picture_enlarged(loaded: pipeline.Pipeline) -> None:
    head = data.astronaut()[:200, 110:330]
    noisy = np.dstack([add_noise(head, 20), np.full(head.shape[:2], 255, np.uint8)])
    restored = loaded.restore(noisy, Options(format="png", scale=2, strength={"translate": 0}))
    found = restored.report.find(FaceFindings)
    assert found is not None
    (face,) = found.faces
    assert 0 < face.box[0] < face.box[2] < 220
    assert restored.report.find(UpscaleFindings) == UpscaleFindings(2, "upscale_real")
    assert restored.image.shape == (400, 440, 4)
    assert (restored.image[..., 3] == 255).all()
    assert (restored.report.width, restored.report.source.width) == (440, 220)


def test_problems_are_raised_and_leave_nothing_behind(loaded: pipeline.Pipeline) -> None:
    with pytest.raises(NotAnImage):
        loaded.restore(b"no picture")
    with pytest.raises(CorruptImage, match="mask has"):
        loaded.restore(make_photo(64, 64), mask=make_photo(32, 32))
    assert not list(loaded.root.iterdir())


def test_problem_types_name_their_errors() -> None:
    assert by_type("not-an-image") is NotAnImage
    assert by_type("no such problem").type == "internal"
    assert by_type("internal") is BrokenArtifact, "not an heir of the edge, which takes other arguments"


def judged(loaded: pipeline.Pipeline, **options: Any) -> Workspace:
    """A noisy, faded picture that is judged to be line art."""
    workspace = Workspace.create(loaded.root, Options(format="png", **options))
    put_picture(workspace, "upload", add_noise(make_photo(64, 80), 25))
    found = replace(SOUND, noisy=True, faded=True)
    workspace.envelope.estimates["preprocess"] = replace(
        found, kind="line_art", confidence=0.9, mode="untouched"
    )
    return workspace


def test_what_is_judged_to_be_no_photograph_is_left_as_it_is(loaded: pipeline.Pipeline) -> None:
    workspace = judged(loaded)
    loaded.run([workspace])
    looking = filter(workspace.options.may_look, SELECTABLE_STAGES)
    traces = [workspace.envelope.trace[stage] for stage in looking]
    assert {(trace.outcome, trace.note) for trace in traces} == {("passed", "line art: left as it is")}
    assert workspace.envelope.current == "image"
    workspace.remove()


def test_who_names_stages_or_marks_damage_knows_better_than_the_judgement(loaded: pipeline.Pipeline) -> None:
    named, marked = judged(loaded, stages=("denoise", "scratch")), judged(loaded)
    mask = np.zeros((1, 64, 80), np.uint8)
    mask[:, 20:30, 20:40] = 255
    marked.write_plane("hole_mask", mask)
    loaded.run([named])
    loaded.run([marked])
    assert [named.envelope.trace[stage].outcome for stage in ("denoise", "scratch")] == ["ran", "ran"]
    assert marked.envelope.trace["translate"].outcome == "ran"
    assert marked.envelope.trace["denoise"].note.startswith("a mask was given")
    named.remove()
    marked.remove()


@pytest.mark.parametrize("stages", [(), ("scratch",), ("denoise",)])
def test_measuring_for_the_report_changes_no_pixel(
    loaded: pipeline.Pipeline, stages: tuple[str, ...]
) -> None:
    noisy, options = add_noise(make_photo(64, 80), 20), Options(stages=stages, format="png")
    bare, full = (loaded.restore(noisy, options, measures_all=measures) for measures in (False, True))
    assert bare.encoded == full.encoded
    assert full.report.find(PreprocessFindings) is not None
    assert (bare.report.find(PreprocessFindings) is not None) == (stages == ("denoise",))


def test_a_clean_file_comes_back_byte_for_byte_beside_its_pixels(loaded: pipeline.Pipeline) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(120, 160)).save(buffer, "JPEG", quality=97)
    restored = loaded.restore(buffer.getvalue())
    assert (restored.encoded, restored.content_type) == (buffer.getvalue(), "image/jpeg")
    assert restored.report.unchanged
    assert (restored.image == np.asarray(Image.open(buffer))).all()


def test_a_pipeline_has_the_tiers_that_there_are() -> None:
    with pytest.raises(ValueError, match="tier is 'best'; expected auto, fast, quality"):
        pipeline.load(stages=("deliver",), tier="best")
