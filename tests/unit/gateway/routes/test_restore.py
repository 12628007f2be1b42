"""The routes of the REST edge, before the real stages."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.responses import Response

from photorestore import pipeline
from photorestore.options import SELECTABLE_STAGES, STAGES, Options
from photorestore.records import document_of
from photorestore.stages.table import STAGE_ROWS
from tests.broken_inputs import whole_inputs
from tests.conftest import add_noise, make_photo
from tests.edge import (
    EdgeClient,
    FakeTorchServe,
    make_mask,
    make_picture,
    metric,
    problem,
    running_edge,
    until,
)
from tests.handed_on import REPORT

pytestmark = pytest.mark.anyio


@pytest.fixture
async def edge(server: FakeTorchServe, root: Path) -> AsyncIterator[EdgeClient]:
    async with running_edge(server, root) as client:
        yield client
    assert list(root.iterdir()) == []


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


async def test_what_would_become_too_large_is_refused_before_anything_is_done(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    answer = await edge.post("/v1/restore?scale=4", content=make_picture(1800, 2000))
    assert problem(answer) == (422, "image-too-large")
    assert "at scale 4 the image has 8000x7200 px" in answer.json()["detail"]
    assert server.inferences == []


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
    "query",
    [
        "strength=2",
        "strength=x",
        "strength=NaN",
        "stages=magic",
        "quality=70.5",
        "nosuch=1",
        "strength=1&strength=1",
        "strength=face:2",
        "strength=face:1,face:0.5",
        "strength=scratch:0.5",
        "strength=face:",
        "scale=3",
        "tier=best",
        "mode=untouched",
        "stages=upscale",
        "return=text",
        "timeout=0",
        "timeout_s=30",
        "normalise=yes",
        "format=bmp",
    ],
)
async def test_bad_options_are_refused_before_anything_is_done(
    edge: EdgeClient, server: FakeTorchServe, query: str
) -> None:
    answer = await edge.post(f"/v1/restore?{query}", content=make_picture())
    assert problem(answer) == (400, "unsupported-option")
    assert query.split("=", maxsplit=1)[0] in answer.json()["detail"]
    assert server.inferences == []


async def test_a_tier_that_is_not_there_is_refused_before_anything_is_done(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    gateway = edge.app.state.edge
    gateway.release = replace(gateway.release, tiers={"denoise": ("fast",), "face": ("fast", "quality")})
    answer = await edge.post("/v1/restore?tier=quality", content=make_picture())
    assert problem(answer) == (400, "unavailable-tier")
    assert answer.json()["detail"].endswith("may work: denoise has fast")
    assert server.inferences == []
    answer = await edge.post("/v1/restore?tier=quality&stages=", content=make_picture())
    assert (answer.status_code, server.inferences[0]["options"]["tier"]) == (200, "quality")


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


@pytest.mark.parametrize("query", ["", "return=mask", "return=report", "return=bundle"])
async def test_what_cannot_be_accepted_is_406(edge: EdgeClient, server: FakeTorchServe, query: str) -> None:
    answer = await edge.post(f"/v1/restore?{query}", content=make_picture(), headers={"Accept": "text/html"})
    assert problem(answer) == (406, "not-acceptable")
    assert server.inferences == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (415, "not-an-image")),
        (b"%PDF-1.7", (415, "not-an-image")),
        (make_picture()[:40], (422, "truncated-image")),
        (make_picture()[:800], (422, "truncated-image")),
        (b"x" * (64 * 2**20 + 1), (413, "payload-too-large")),
    ],
)
async def test_what_is_no_picture_gets_its_own_problem(
    edge: EdgeClient, content: bytes, expected: tuple[int, str]
) -> None:
    assert problem(await edge.post("/v1/restore", content=content)) == expected


async def test_too_many_pixels_are_refused_by_the_header(edge: EdgeClient, server: FakeTorchServe) -> None:
    file = io.BytesIO()
    Image.new("1", (20_000, 3_000)).save(file, "PNG")
    assert problem(await edge.post("/v1/restore", content=file.getvalue())) == (422, "image-too-large")
    assert server.inferences == []


async def test_too_many_bytes_are_refused_while_they_stream(edge: EdgeClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * 2**20

    assert problem(await edge.post("/v1/restore", content=body())) == (413, "payload-too-large")


async def test_mask_of_another_size_is_422(edge: EdgeClient) -> None:
    answer = await edge.post("/v1/restore", files={"image": make_picture(), "mask": make_mask(9, 9)})
    assert problem(answer) == (422, "corrupt-image")
    assert json.loads(answer.content)["stage"] == "preprocess"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"mask": make_mask()}, (415, "not-an-image")),
        ({"image": b""}, (415, "not-an-image")),
        ({"image": make_picture(), "mask": b""}, (415, "not-an-image")),
        ({"image": make_picture(), "options": b"{}"}, (400, "bad-request")),
        ([("image", make_picture()), ("image", make_picture())], (400, "bad-request")),
    ],
)
async def test_forms_of_other_parts_are_refused(
    edge: EdgeClient, files: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert problem(await edge.post("/v1/restore", files=files)) == expected


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"--b\r\n\r\n"),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc',
        ),
    ],
)
async def test_broken_forms_are_refused(edge: EdgeClient, content_type: str, content: bytes) -> None:
    answer = await edge.post("/v1/restore", content=content, headers={"Content-Type": content_type})
    assert problem(answer) == (400, "bad-request")


async def test_encoded_bodies_are_refused(edge: EdgeClient) -> None:
    answer = await edge.post("/v1/restore", content=b"x", headers={"Content-Encoding": "gzip"})
    assert problem(answer) == (415, "unsupported-encoding")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nosuch", 404), ("GET", "/v1/restore", 405)])
async def test_what_is_not_there_is_a_problem_document_too(
    edge: EdgeClient, method: str, path: str, status: int
) -> None:
    assert problem(await edge.request(method, path))[0] == status


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


async def test_result_that_the_caller_has_costs_no_inference(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    first = await edge.post("/v1/restore?stages=", content=make_picture())
    etag = first.headers["etag"]
    for sent in (etag, f'"other", {etag}', f"W/{etag}"):
        again = await edge.post(
            "/v1/restore?stages=", content=make_picture(), headers={"If-None-Match": sent}
        )
        assert problem(again) == (412, "precondition-failed")
        assert again.headers["etag"] == etag
    assert len(server.inferences) == 1
    assert metric(edge, "precondition_failed_total") == 3


async def test_etag_is_of_input_options_and_type(edge: EdgeClient) -> None:
    async def etag(query: str, accept: str = "", seed: int = 0) -> str:
        headers = {"Accept": accept}
        answer = await edge.post(
            f"/v1/restore?stages=&{query}", content=make_picture(seed=seed), headers=headers
        )
        return answer.headers["etag"]

    plain = await etag("")
    assert plain == await etag("timeout=50", "image/*")
    assert await etag("format=jpeg") == await etag("", "image/jpeg") != plain  # not the upload's type
    others = [
        await etag("quality=90"),
        await etag("", "image/png"),
        await etag("", seed=1),
        await etag("return=report"),
    ]
    assert len({plain, *others}) == 5
    gateway = edge.app.state.edge
    gateway.release = replace(gateway.release, fingerprint="other weights")
    assert await etag("") != plain


async def test_identical_requests_in_flight_share_one_run(
    edge: EdgeClient, server: FakeTorchServe, root: Path
) -> None:
    server.is_open.clear()
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(edge.post("/v1/restore?stages=", content=make_picture())) for _ in range(5)
        ]
        await until(lambda: metric(edge, "coalesced_total") == 4)
        assert metric(edge, "in_flight_requests") == 1
        assert len(list(root.iterdir())) <= 5
        server.is_open.set()
    assert len({task.result().content for task in asked}) == 1
    assert len({task.result().headers["x-request-id"] for task in asked}) == 5
    assert len(server.inferences) == 1
    assert metric(edge, "in_flight_requests") == 0


async def test_who_shares_a_run_keeps_their_own_deadline(edge: EdgeClient, server: FakeTorchServe) -> None:
    server.is_open.clear()
    async with asyncio.TaskGroup() as group:
        hasty = group.create_task(edge.post("/v1/restore?timeout=1", content=make_picture()))
        await until(lambda: len(server.inferences) == 1)
        patient = group.create_task(edge.post("/v1/restore?timeout=60", content=make_picture()))
        await until(lambda: metric(edge, "coalesced_total") == 1)
        assert problem(await hasty) == (504, "deadline-exceeded")
        server.is_open.set()  # the stages find that the first caller's time is over
    assert patient.result().status_code == 200
    assert len(server.inferences) == 2


async def test_deadline_reaches_the_stages(edge: EdgeClient, server: FakeTorchServe) -> None:
    before = Options(timeout_s=7)
    await edge.post("/v1/restore?timeout=7", content=make_picture())
    deadline, directory = server.inferences[0]["deadline"], server.inferences[0]["workspace_id"]
    assert abs(deadline - int(directory.split("-")[0])) < before.timeout_s


async def test_requests_beyond_the_limit_are_told_when_to_come_back(
    server: FakeTorchServe, root: Path
) -> None:
    async with running_edge(server, root, max_requests=2) as edge:
        server.is_open.clear()
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(edge.post("/v1/restore?stages=", content=make_picture(seed=seed)))
                for seed in range(6)
            ]
            await until(lambda: metric(edge, "rejected_total", reason="requests") == 4)
            server.is_open.set()
        refused = [task.result() for task in asked if task.result().status_code != 200]
        assert [problem(answer) for answer in refused] == [(429, "too-many-requests")] * 4
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert len(server.inferences) == 2


async def test_pixels_beyond_the_limit_wait_but_a_picture_alone_goes_in(
    server: FakeTorchServe, root: Path
) -> None:
    async with running_edge(server, root, max_pixels=3000) as edge:
        server.is_open.clear()
        async with asyncio.TaskGroup() as group:
            large = group.create_task(edge.post("/v1/restore?stages=", content=make_picture(80, 60)))
            await until(lambda: metric(edge, "in_flight_pixels") == 4800)
            second = await edge.post("/v1/restore?stages=", content=make_picture(10, 10))
            server.is_open.set()
        assert problem(second) == (429, "too-many-requests")
        assert large.result().status_code == 200


async def test_uploads_are_bounded_in_number_and_bytes(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root, max_uploads=1) as edge:
        with edge.app.state.edge.transfers.uploading(""):
            answer = await edge.post("/v1/restore", content=make_picture())
        assert problem(answer)[0] == 429
    picture = make_picture()
    gate = asyncio.Event()

    async def held_up() -> AsyncIterator[bytes]:
        yield picture
        await gate.wait()

    async with (
        running_edge(server, root, max_upload_bytes=len(picture)) as edge,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(edge.post("/v1/restore?stages=", content=held_up()))
        await until(lambda: edge.app.state.edge.transfers.upload_bytes.total)
        assert problem(await edge.post("/v1/restore", content=picture))[0] == 429
        assert metric(edge, "rejected_total", reason="uploads") == 1
        gate.set()
        assert (await first).status_code == 200
        assert metric(edge, "in_flight_uploads") == 0


async def test_slow_upload_times_out_alone(server: FakeTorchServe, root: Path) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    async with running_edge(server, root, upload_grace_s=0.5, max_requests=1) as edge:
        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(edge.post("/v1/restore", content=trickle())) for _ in range(10)]
            await until(lambda: metric(edge, "in_flight_uploads") == 10)
            assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200
        assert {problem(task.result()) for task in slow} == {(408, "upload-too-slow")}
        assert slow[0].result().headers["connection"] == "close"


async def test_results_are_kept_where_a_folder_is_given(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    for count in (1, 1):  # the second edge finds what the first one kept
        async with running_edge(server, root, cache_dir=tmp_path / "kept") as edge:
            answers = [await edge.post("/v1/restore?stages=", content=make_picture()) for _ in range(2)]
            assert answers[0].content == answers[1].content
            assert 'result;desc="kept"' in answers[1].headers["server-timing"]
            assert metric(edge, "cache_hits_total") >= count
    assert len(list((tmp_path / "kept").iterdir())) == 1


async def test_backend_that_is_gone_is_503(edge: EdgeClient, server: FakeTorchServe, root: Path) -> None:
    server.is_up = False
    answer = await edge.post("/v1/restore", content=make_picture())
    assert problem(answer) == (503, "backend-unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert metric(edge, "runs_total", outcome="backend-unavailable") == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(b"Error executing denoise", 500), (503, "backend-unavailable")),
        (Response(b'{"code": 503, "message": "no workers"}', 503), (503, "backend-unavailable")),
        (Response(b"[]", 200), (503, "backend-unavailable")),
    ],
)
async def test_answers_that_are_no_report_are_503(
    edge: EdgeClient, server: FakeTorchServe, answer: Response, expected: tuple[int, str]
) -> None:
    server.answer = answer
    assert problem(await edge.post("/v1/restore", content=make_picture())) == expected


@pytest.mark.parametrize(
    ("kind", "status"), [("out-of-space", 503), ("internal", 500), ("deadline-exceeded", 504)]
)
async def test_problems_of_the_stages_keep_type_and_status(
    edge: EdgeClient, server: FakeTorchServe, kind: str, status: int
) -> None:
    document = {
        "type": f"urn:photorestore:problem:{kind}",
        "status": status,
        "detail": "so",
        "stage": "denoise",
    }
    server.answer = Response(json.dumps(document))
    answer = await edge.post("/v1/restore", content=make_picture())
    assert problem(answer) == (status, kind)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert metric(edge, "stage_outcomes_total", stage="denoise", outcome="failed") == 1


async def test_result_that_never_came_is_an_internal_problem(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    server.answer = Response(json.dumps(document_of(REPORT)))
    assert problem(await edge.post("/v1/restore", content=make_picture())) == (500, "internal")


async def test_request_id_goes_in_out_and_into_every_log(
    edge: EdgeClient, server: FakeTorchServe, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        answer = await edge.post(
            "/v1/restore?stages=", content=make_picture(), headers={"X-Request-Id": "album-7"}
        )
        strange = await edge.get("/v1/stages", headers={"X-Request-Id": "a b"})
    assert answer.headers["x-request-id"] == "album-7"
    assert server.inferences[0]["request_id"] == "album-7"
    assert "request album-7: POST /v1/restore: 200" in caplog.text
    assert strange.headers["x-request-id"].isalnum()


async def test_stages_options_and_cards_are_described(edge: EdgeClient) -> None:
    document = (await edge.get("/v1/stages")).json()
    assert [stage["name"] for stage in document["stages"]] == list(STAGES)
    for stage in document["stages"]:
        assert stage["ready_workers"] == 1
        row = STAGE_ROWS[stage["name"]]
        assert (stage["label"], stage["does"], stage["selectable"]) == (
            row.label,
            row.does,
            row.is_selectable,
        )
        networks = row.networks
        assert bool(stage["cards"]) == bool(networks)
        assert stage["tiers"][:1] == (["fast"] if any(network.has_tiers for network in networks) else [])
    assert document["stages"][1]["cards"][0]["licence"]
    origins = {card["network"]: card["origin"] for stage in document["stages"] for card in stage["cards"]}
    assert origins["denoise"] == {"kind": "trained"}
    assert (origins["face_detector"]["kind"], origins["face_detector"]["version"]) == ("imported", "2.6.0")
    assert document["options"]["strength"]["anyOf"][0]["maximum"] == 1


async def test_metrics_show_what_was_done(edge: EdgeClient) -> None:
    await edge.post("/v1/restore?stages=", content=make_picture())
    await edge.post("/v1/restore", content=b"x")
    text = (await edge.get("/metrics")).text
    for line in (
        'http_requests_total{method="POST",route="/v1/restore",status="200"} 1.0',
        'http_requests_total{method="POST",route="/v1/restore",status="415"} 1.0',
        'stage_outcomes_total{outcome="ran",stage="deliver"} 1.0',
        'stage_outcomes_total{outcome="passed",stage="denoise"} 1.0',
        'ready_workers{stage="denoise"} 1.0',
        'wanted_workers{stage="denoise"} 2.0',
        'pending_requests{stage="denoise"} 3.0',
        'stage_outcomes_total{outcome="failed",stage="denoise"} 0.0',
        'rejected_total{reason="pixels"} 0.0',
        'runs_total{outcome="internal"} 0.0',
        "restored_megapixels_total 0.0024",
        "in_flight_requests 0.0",
        "ready 1.0",
    ):
        assert f"photorestore_gateway_{line}\n" in text
    assert metric(edge, "shared_memory_bytes") > metric(edge, "shared_memory_used_bytes") > 0


async def test_openapi_describes_the_routes(edge: EdgeClient) -> None:
    document = (await edge.get("/openapi.json")).json()
    assert {"/v1/restore", "/v1/analyze", "/v1/stages", "/livez", "/readyz", "/metrics"} <= set(
        document["paths"]
    )
    operation = document["paths"]["/v1/restore"]["post"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {"stages", "strength", "format", "timeout", "return", "If-None-Match"} <= names
    assert {"200", "400", "401", "406", "412", "413", "415", "422", "429", "503", "504"} <= set(
        operation["responses"]
    )
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    kinds = [
        answer["content"] for answer in answers if "application/problem+json" in answer.get("content", {})
    ]
    problems = {kind: {"schema": {"$ref": "#/components/schemas/Problem"}} for kind in kinds[0]}
    assert all(kind == problems for kind in kinds)
    assert set(document["components"]["schemas"]) == {"Problem"}  # and no error of FastAPI's own
    problem_document = (await edge.get("/nowhere")).json()
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == set(problem_document)
    assert {"restore", "submit_job"} <= {operation["operationId"] for operation in operations}
    assert "text/html" in (await edge.get("/docs")).headers["content-type"]
    assert (await edge.get("/livez")).json() == {"status": "alive"}
