"""The routes of the REST edge, before the real stages."""

import io
import json
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from photorestore import pipeline
from photorestore.options import SELECTABLE_STAGES, STAGES, Options
from tests.broken_inputs import whole_inputs
from tests.conftest import add_noise, make_photo
from tests.edge import (
    EdgeClient,
    FakeTorchServe,
    make_mask,
    make_picture,
    problem,
    running_edge,
)

pytestmark = pytest.mark.anyio


def parts_of(bundle: httpx.Response) -> list[Message]:
    head = f"Content-Type: {bundle.headers['content-type']}\r\n\r\n".encode()
    return [part for part in message_from_bytes(head + bundle.content).walk() if not part.is_multipart()]


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


async def test_picture_is_restored_as_in_process(edge: EdgeClient, root: Path, tmp_path: Path) -> None:
    noisy = io.BytesIO()
    Image.fromarray(add_noise(make_photo(90, 70), 25)).save(noisy, "PNG")
    answer = await edge.post("/v1/restore?format=png&strength=0.8", content=noisy.getvalue())
    oracle = pipeline.load(root=tmp_path / "oracle").restore(
        noisy.getvalue(), Options(format="png", strength=0.8)
    )
    assert answer.content == oracle.encoded
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["vary"] == "Accept"
    assert [part.split(";")[0].strip() for part in answer.headers["server-timing"].split(",")] == [
        *STAGES,
        "receive",
        "hops",
        "total",
        "result",
    ]
    assert answer.headers["etag"].startswith('"')


async def test_picture_is_enlarged_as_in_process_and_its_mask_is_not(
    edge: EdgeClient, tmp_path: Path
) -> None:
    upload, query = make_picture(24, 30), "format=png&scale=2&stages=&strength=face:0.5,denoise:0"
    oracle = pipeline.load(root=tmp_path / "oracle").restore(
        upload, Options(format="png", scale=2, stages=())
    )
    answer = await edge.post(f"/v1/restore?{query}", content=upload)
    assert answer.content == oracle.encoded
    assert pixels(answer.content).shape == (48, 60, 3)
    bundle = await edge.post(f"/v1/restore?{query}&return=bundle", content=upload)
    report, *pictures = (part.get_payload(decode=True) for part in parts_of(bundle))
    assert isinstance(report, bytes)
    assert json.loads(report)["width"] == 60
    assert [pixels(picture).shape[:2] for picture in pictures if isinstance(picture, bytes)] == [
        (48, 60),
        (24, 30),
    ]
    mask = await edge.post("/v1/restore?return=mask&scale=4", content=upload)
    assert pixels(mask.content).shape == (24, 30)


async def test_no_picture_travels_through_torchserve(edge: EdgeClient, server: FakeTorchServe) -> None:
    await edge.post("/v1/restore?stages=", content=make_picture(), headers={"X-Restore-Door": "raw"})
    (envelope,) = server.inferences
    assert envelope["answer"] == "report"
    assert len(json.dumps(envelope)) < 2000
    assert server.headers[-1].keys() == {"host", "content-length", "x-restore-door"}
    assert server.headers[-1]["x-restore-door"] == "envelope"


async def test_form_with_a_mask_changes_only_what_it_marks(edge: EdgeClient) -> None:
    photo = make_photo(40, 60)
    files = {"image": make_picture(), "mask": make_mask()}
    answer = await edge.post("/v1/restore?format=png", files=files)
    is_hole = pixels(make_mask()) > 0
    restored = pixels(answer.content)
    assert (restored[~is_hole] == photo[~is_hole]).all()
    assert (restored[is_hole] != photo[is_hole]).any()


async def test_options_reach_the_stages(edge: EdgeClient, server: FakeTorchServe) -> None:
    first, *others = SELECTABLE_STAGES
    query = f"stages={','.join(others)}&stages={first}&strength=translate:0.5,face:0&normalise=true"
    query += "&mode=gentle&quality=70&timeout=33&colour=source"
    answer = await edge.post(f"/v1/restore?{query}", content=make_picture())
    assert answer.status_code == 200
    expected = Options(
        mode="gentle",
        stages=(*others, first),
        strength={"translate": 0.5, "face": 0},
        normalise=True,
        quality=70,
        timeout_s=33,
        colour="source",
    )
    assert Options.from_mapping(server.inferences[0]["options"]) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/png, image/jpeg;q=0.5", "image/png"),
        ("image/webp;q=0.3, image/avif;q=0.9", "image/avif"),
        ("text/html, image/tiff;q=0.1", "image/tiff"),
        ("image/*, image/jpeg;q=0", "image/png"),
    ],
)
async def test_format_is_negotiated(edge: EdgeClient, accept: str, expected: str) -> None:
    answer = await edge.post(
        "/v1/restore?stages=&metadata=strip", content=make_picture(), headers={"Accept": accept}
    )
    assert answer.headers["content-type"] == expected
    assert Image.open(io.BytesIO(answer.content)).get_format_mimetype() == expected


@pytest.mark.parametrize(
    ("kind", "query"),
    [("JPEG", "stages="), ("JPEG", "strength=0&format=jpeg"), ("PNG", "stages="), ("GIF", "strength=0")],
)
async def test_a_picture_in_which_nothing_is_changed_comes_back_byte_for_byte(
    edge: EdgeClient, kind: str, query: str
) -> None:
    upload, content_type = make_picture(kind=kind), f"image/{kind.lower()}"
    answer = await edge.post(f"/v1/restore?{query}", content=upload)
    assert (answer.content, answer.headers["content-type"]) == (upload, content_type)
    report = (await edge.post(f"/v1/restore?{query}&return=report", content=upload)).json()
    assert (report["unchanged"], report["content_type"]) == (True, content_type)
    bundle = await edge.post(f"/v1/restore?{query}&return=bundle", content=upload)
    assert f"Content-Type: {content_type}\r\n".encode() in bundle.content
    assert upload in bundle.content


async def test_an_empty_mask_changes_nothing(edge: EdgeClient) -> None:
    upload, mask = make_picture(kind="JPEG"), io.BytesIO()
    Image.new("L", (60, 40)).save(mask, "PNG")
    answer = await edge.post("/v1/restore", files={"image": upload, "mask": mask.getvalue()})
    assert answer.content == upload


async def test_kept_results_know_their_type(server: FakeTorchServe, root: Path, tmp_path: Path) -> None:
    async with running_edge(server, root, cache_dir=tmp_path / "kept") as edge:
        for accept, expected in (("*/*", "image/gif"), ("image/jpeg", "image/jpeg"), ("", "image/gif")):
            answer = await edge.post(
                "/v1/restore?stages=", content=make_picture(kind="GIF"), headers={"Accept": accept}
            )
            assert answer.headers["content-type"] == expected
        assert 'result;desc="kept"' in answer.headers["server-timing"]
    assert len(server.inferences) == 2


async def test_every_format_comes_in_and_keeps_what_the_output_can_hold(edge: EdgeClient) -> None:
    for name, upload in whole_inputs().items():
        answer = await edge.post("/v1/restore?stages=&return=report&format=png", content=upload)
        assert answer.status_code == 200, (name, answer.text)
        source = answer.json()["source"]
        assert answer.json()["bits"] == source["bits"], name


@pytest.mark.parametrize(
    ("metadata", "has_exif", "has_gps"), [("keep", 1, 1), ("no-gps", 1, 0), ("strip", 0, 0)]
)
async def test_metadata_is_kept_as_asked_for(
    edge: EdgeClient, metadata: str, has_exif: int, has_gps: int
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a house"
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    upload = make_picture(kind="JPEG", exif=exif.tobytes())
    answer = await edge.post(f"/v1/restore?stages=&metadata={metadata}", content=upload)
    with Image.open(io.BytesIO(answer.content)) as restored:
        assert restored.size == (40, 60)  # turned
        assert (restored.getexif().get(0x010E) == "a house") == bool(has_exif)
        assert bool(restored.getexif().get_ifd(0x8825)) == bool(has_gps)


async def test_report_mask_and_bundle_are_returned(edge: EdgeClient) -> None:
    files = {"image": make_picture(), "mask": make_mask()}
    report = await edge.post("/v1/restore?return=report", files=files)
    assert report.json()["trace"]["translate"]["outcome"] == "ran"
    assert report.json()["trace"]["deliver"]["ms"] > 0
    mask = await edge.post("/v1/restore?return=mask", files=files)
    assert (pixels(mask.content) == pixels(make_mask())).all()
    bundle = await edge.post("/v1/restore?return=bundle&format=png", files=files)
    parts = {
        part.get_filename() or part.get_param("name", header="content-disposition"): part
        for part in parts_of(bundle)
    }
    assert list(parts) == ["report", "image", "mask"]
    assert [part.get_content_type() for part in parts.values()] == [
        "application/json",
        "image/png",
        "image/png",
    ]


async def test_mask_of_what_the_stage_finds_has_the_pictures_size(edge: EdgeClient) -> None:
    scratched = make_photo(200, 240)
    scratched[:, 100:103] = 255
    file = io.BytesIO()
    Image.fromarray(scratched).save(file, "PNG")
    answer = await edge.post("/v1/restore?return=mask", content=file.getvalue())
    assert answer.headers["content-type"] == "image/png"
    assert pixels(answer.content).shape == (200, 240)
    assert set(np.unique(pixels(answer.content))) <= {0, 255}


async def test_the_report_tells_what_was_measured_also_of_a_picture_that_was_restored_without(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    picture = await edge.post("/v1/restore?stages=", content=make_picture())
    report = await edge.post("/v1/restore?stages=&return=report", content=make_picture())
    assert [envelope["measures_all"] for envelope in server.inferences] == [False, True]
    assert picture.content
    assert "sigma_255" in report.json()["estimates"]["preprocess"]


async def test_analysis_restores_nothing_and_finds_what_a_restoration_would(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    answer = await edge.post("/v1/analyze", content=make_picture())
    report = await edge.post("/v1/restore?return=report", content=make_picture())
    assert answer.json()["found"]["scratch"] == report.json()["estimates"]["scratch"]
    found = answer.json()["found"]
    assert set(found) == {"preprocess", "scratch", "face"}
    assert found["face"] == {"faces": []}
    assert "sigma_255" in found["preprocess"]
    assert answer.json()["source"]["width"] == 60
    assert server.inferences[0]["options"]["strength"] == 0
    assert problem(await edge.post("/v1/analyze?strength=1", content=make_picture()))[0] == 400
