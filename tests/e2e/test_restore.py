"""Pictures through the served workflow; what the pipeline gives in process is what must come back."""

import io
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import requests
from photorestore_client import BadOption, Problem
from photorestore_client.raw import RawClient
from PIL import Image, ImageFilter
from skimage import data

from photorestore import pipeline
from photorestore.blur_words import Blur
from photorestore.envelope import Envelope
from photorestore.options import MODES, Options
from photorestore.pixels.psf import draw
from photorestore.stages.deblur.findings import DeblurFindings
from photorestore.stages.face.findings import FaceFindings
from photorestore.workspace import Workspace
from tests.blurs import blurred, scene
from tests.conftest import add_noise, make_photo, problem_of
from tests.e2e.conftest import Service

pytestmark = pytest.mark.e2e

PHOTO = add_noise(make_photo(97, 142, seed=1), 20)
ALPHA = make_photo(97, 142, seed=2)[..., :1]


def encoded(picture: Image.Image, name: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, name, **settings)
    return buffer.getvalue()


def size(file: bytes | Path) -> tuple[int, int]:
    with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as picture:
        return picture.size


def deep(photo: np.ndarray, suffix: str) -> bytes:
    """The same picture in 16 bits, with a ramp in the lower 8."""
    values = photo.astype(np.uint16) * 257 ^ np.arange(photo.shape[1], dtype=np.uint16)[:, None]
    return pyvips.Image.new_from_array(values).write_to_buffer(suffix)


RGB, RGBA = Image.fromarray(PHOTO), Image.fromarray(np.concatenate([PHOTO, ALPHA], -1))
UPLOADS = {
    "jpeg": encoded(RGB, "JPEG", quality=92),
    "jpeg-grey": encoded(RGB.convert("L"), "JPEG"),
    "jpeg-cmyk": encoded(RGB.convert("CMYK"), "JPEG"),
    "png": encoded(RGB, "PNG"),
    "png-grey": encoded(RGB.convert("L"), "PNG"),
    "png-palette": encoded(RGB.convert("P"), "PNG"),
    "png-alpha": encoded(RGBA, "PNG"),
    "png-grey-alpha": encoded(RGBA.convert("LA"), "PNG"),
    "png-16": deep(PHOTO, ".png"),
    "png-grey-16": deep(PHOTO[..., :1], ".png"),
    "png-alpha-16": deep(np.concatenate([PHOTO, ALPHA], -1), ".png"),
    "tiff": encoded(RGB, "TIFF"),
    "tiff-16": deep(PHOTO, ".tif"),
    "webp": encoded(RGB, "WEBP", quality=90),
    "webp-alpha": encoded(RGBA, "WEBP", lossless=True),
    "avif": encoded(RGB, "AVIF"),
    "bmp": encoded(RGB, "BMP"),
    "gif": encoded(RGB, "GIF"),
}
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"stages": [], "format": "png"},
    {"stages": ["denoise"], "strength": 0.5, "format": "tiff", "metadata": "strip"},
    {"stages": ["denoise", "scratch", "translate"], "format": "png"},
    {"stages": ["translate"], "normalise": True, "format": "webp", "quality": 80},
    {"sigma_255": 20, "format": "avif", "colour": "source", "strength": {"denoise": 0.6, "face": 0}},
    {"stages": ["face"], "scale": 2, "format": "png"},
    {"scale": 4, "format": "tiff", "stages": ["denoise", "weather"]},
    {"psf": "motion:7,30", "format": "png", "strength": {"deblur": 0.8, "face": 0}},
    {"psf": "gaussian:1.2", "deblur_method": "richardson-lucy", "format": "png", "stages": []},
    {"colorize": "learned", "hints": "5,6,#884422", "format": "png", "stages": []},
    {
        "psf": "defocus:2",
        "deblur_method": "wiener",
        "weather_method": "dark-channel",
        "format": "tiff",
        "sigma_255": 10,
    },
)
CASES = [
    (name, options)
    for place, name in enumerate(UPLOADS)
    for options in (OPTIONS[place % len(OPTIONS)], OPTIONS[(place + 3) % len(OPTIONS)])
]
"""Every upload with two sets of options, every set of options with three uploads or more."""


@pytest.mark.parametrize(
    ("name", "options"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_server_gives_what_the_pipeline_gives(
    service: Service, oracle: pipeline.Pipeline, name: str, options: dict[str, Any]
) -> None:
    expected = oracle.restore(UPLOADS[name], Options.from_mapping(options))
    answer = service.restore(UPLOADS[name], json.dumps(options))
    assert answer.status_code == 200
    assert answer.content == expected.encoded


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_what_the_pipeline_gives(
    service: Service, oracle: pipeline.Pipeline, mode: str
) -> None:
    options = {"mode": mode, "format": "png"}
    expected = oracle.restore(UPLOADS["jpeg"], Options.from_mapping(options))
    assert service.restore(UPLOADS["jpeg"], json.dumps(options)).content == expected.encoded


@pytest.mark.parametrize("name", ["jpeg", "png-16", "webp-alpha", "tiff", "gif", "bmp", "avif"])
def test_a_picture_that_no_stage_changes_comes_back_byte_for_byte(
    service: Service, oracle: pipeline.Pipeline, name: str
) -> None:
    unchanging: tuple[dict[str, Any], ...] = ({"stages": []}, {"strength": 0})
    for options in unchanging:
        assert service.restore(UPLOADS[name], json.dumps(options)).content == UPLOADS[name]
    assert oracle.restore(UPLOADS[name], Options(stages=())).encoded == UPLOADS[name]


@pytest.mark.parametrize("options", [{}, {"stages": ["face"], "scale": 2}, {"strength": {"face": 0.5}}])
def test_a_face_comes_back_as_in_process(
    service: Service, oracle: pipeline.Pipeline, options: dict[str, Any]
) -> None:
    head = Image.fromarray(add_noise(data.astronaut()[:256, 96:352], 15)).filter(
        ImageFilter.GaussianBlur(1.5)
    )
    upload, options = encoded(head, "PNG"), {"format": "png", **options}
    expected = oracle.restore(upload, Options.from_mapping(options))
    found = expected.report.find(FaceFindings)
    assert found is not None
    assert len(found.faces) == 1
    assert service.restore(upload, json.dumps(options)).content == expected.encoded


def test_a_blur_that_nobody_tells_is_undone_as_in_process(
    service: Service, oracle: pipeline.Pipeline
) -> None:
    shaken = blurred(scene(200), draw(Blur("motion", (9.0, 30.0)))).clamp(0, 1)
    upload = encoded(Image.fromarray((255 * shaken).round().byte().numpy()).convert("RGB"), "PNG")
    options = {"stages": ["deblur"], "format": "png", "timeout_s": 300}
    expected = oracle.restore(upload, Options.from_mapping(options))
    found = expected.report.find(DeblurFindings)
    assert found is not None
    assert (found.psf, found.method) == ("estimated", "hqs-csf")
    assert service.restore(upload, json.dumps(options)).content == expected.encoded


def test_pictures_in_one_batch_come_out_as_alone(service: Service, oracle: pipeline.Pipeline) -> None:
    """Mixed sizes and options, four at a time."""
    sizes = ((64, 64), (97, 142), (200, 333), (511, 130), (300, 300), (48, 700))
    photos = [encoded(Image.fromarray(add_noise(make_photo(*size), 25)), "PNG") for size in sizes]
    wanted: Iterator[dict[str, Any]] = itertools.cycle(
        [
            {"format": "png"},
            {"format": "png", "stages": ["denoise", "scratch", "translate"]},
            {"format": "tiff", "strength": 0.7},
            {"format": "png", "stages": ["denoise"], "sigma_255": 25},
            {"format": "png", "stages": [], "scale": 2},
        ]
    )
    cases = [(photo, next(wanted)) for photo in photos * 3]
    expected = [oracle.restore(photo, Options.from_mapping(options)).encoded for photo, options in cases]
    before = service.batches("denoise")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda case: service.restore(case[0], json.dumps(case[1])).content, cases))
    different = [
        (place, options) for place, (_, options) in enumerate(cases) if answers[place] != expected[place]
    ]
    assert not different
    assert service.batches("denoise") - before < len(cases)  # some did share a batch


def test_mask_is_filled_and_all_else_stays(service: Service, oracle: pipeline.Pipeline) -> None:
    mask = np.zeros((97, 142), np.uint8)
    mask[30:60, 40:52] = 255
    parts: dict[str, tuple[str | None, Any, str]] = {
        "image": ("old.png", UPLOADS["png"], "image/png"),
        "mask": ("mask.png", encoded(Image.fromarray(mask), "PNG"), "image/png"),
        "options": (None, '{"format": "png"}', "application/json"),
    }
    answer = requests.post(f"{service.url}/wfpredict/restore", files=parts, timeout=300)
    restored = np.asarray(Image.open(io.BytesIO(answer.content)))
    expected = oracle.restore(UPLOADS["png"], Options(format="png"), mask=parts["mask"][1])
    assert answer.content == expected.encoded
    assert np.array_equal(restored[mask == 0], PHOTO[mask == 0])
    assert not np.array_equal(restored[mask == 255], PHOTO[mask == 255])


def test_envelope_door_leaves_the_result_in_the_workspace(
    service: Service, oracle: pipeline.Pipeline
) -> None:
    workspace = Workspace.create(service.root, Options(format="png"), request_id="by-envelope")
    workspace.envelope.answer = "report"
    workspace.write_file("upload", UPLOADS["jpeg"])
    headers = {"X-Restore-Door": "envelope", "Content-Type": "application/json"}
    answer = service.restore(workspace.envelope.to_json(), **headers)
    assert answer.json()["request_id"] == "by-envelope"
    expected = oracle.restore(UPLOADS["jpeg"], Options(format="png"))
    assert workspace.read_file("result") == expected.encoded
    workspace.remove()


@pytest.mark.parametrize("stage", ["denoise", "scratch", "translate", "face", "upscale", "deliver"])
def test_stage_alone_answers_with_the_picture(service: Service, stage: str) -> None:
    answer = service.alone(stage, UPLOADS["png"], Accept="image/png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert size(answer.content) == (142, 97)


def test_preprocess_alone_is_told_by_a_header(service: Service) -> None:
    answer = service.alone("preprocess", UPLOADS["png"], **{"X-Restore-Door": "stage", "Accept": "image/png"})
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), PHOTO)
    answer = service.alone("preprocess", b"no picture")
    assert answer.status_code == 415
    untold = Envelope.from_json(answer.content)  # as it goes to the next node
    assert problem_of(untold).type == "not-an-image"
    Workspace(service.root, untold).remove()


@pytest.mark.parametrize(
    ("upload", "headers", "status", "problem"),
    [
        (UPLOADS["png"], {"X-Restore-Options": '{"strength": 7}'}, 400, "unsupported-option"),
        (b"no picture", {}, 415, "not-an-image"),
        (UPLOADS["png"][:900], {}, 422, "truncated-image"),
        (UPLOADS["png"], {"Accept": "text/html"}, 406, "not-acceptable"),
    ],
)
def test_problems_have_their_status_alone_and_are_documents_in_the_workflow(
    service: Service, upload: bytes, headers: dict[str, str], status: int, problem: str
) -> None:
    alone = service.alone("denoise", upload, **headers)
    assert (alone.status_code, alone.headers["content-type"]) == (status, "application/problem+json")
    through = service.restore(upload, **headers).json()
    for document in (alone.json(), through):
        assert document["type"] == f"urn:photorestore:problem:{problem}"
        assert document["status"] == status


def test_client_restores_and_raises(service: Service, tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(UPLOADS["jpeg"])
    with RawClient(service.url) as client:
        restored = client.restore(tmp_path / "old.jpg", format="webp")
        with pytest.raises(Problem) as caught:
            client.restore(b"no picture", request_id="mine")
        with pytest.raises(BadOption, match="format"):
            client.restore(tmp_path / "old.jpg", format="bmp")
        client.restore(UPLOADS["jpeg"], format="png").save(tmp_path / "new.png")
    assert restored.content_type == "image/webp"
    assert (caught.value.type, caught.value.status, caught.value.request_id) == ("not-an-image", 415, "mine")
    assert size(tmp_path / "new.png") == (142, 97)


def test_curl_line_that_serve_prints_works(service: Service, tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "old.jpg").write_bytes(UPLOADS["jpeg"])
    line = ["curl", "-sS", "-T", "old.jpg", "-o", "restored.jpg", f"{service.url}/wfpredict/restore"]
    subprocess.run(line, cwd=tmp_path, check=True)
    assert size(tmp_path / "restored.jpg") == (142, 97)


def test_stages_are_counted(service: Service) -> None:
    service.restore(UPLOADS["png"], '{"stages": ["denoise"]}')
    text = requests.get(f"http://127.0.0.1:{service.port + 2}/metrics", timeout=30).text
    assert 'photorestore_stage_seconds_count{stage="denoise",outcome="ran"' in text
    assert 'photorestore_stage_seconds_bucket{stage="deliver"' in text
