"""Uploads and requests that are refused, before the real stages."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.edge import EdgeClient, FakeTorchServe, make_mask, make_picture, problem, running_edge

pytestmark = pytest.mark.anyio


async def test_what_would_become_too_large_is_refused_before_anything_is_done(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    answer = await edge.post("/v1/restore?scale=4", content=make_picture(1800, 2000))
    assert problem(answer) == (422, "image-too-large")
    assert "at scale 4 the image has 8000x7200 px" in answer.json()["detail"]
    assert server.inferences == []


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


@pytest.mark.parametrize(
    "query", ["denoise_method=dip", "translate_method=dip&stages=translate", "scale=2&upscale_method=dip"]
)
async def test_what_takes_minutes_is_for_jobs(
    server: FakeTorchServe, root: Path, tmp_path: Path, query: str
) -> None:
    async with running_edge(server, root, jobs_dir=tmp_path / "jobs", public_path="/photos") as edge:
        fields = dict(pair.split("=") for pair in query.split("&"))
        for answer in (
            await edge.post(f"/v1/restore?{query}", content=make_picture()),
            await edge.post("/v1/restore/report", files={"image": make_picture()}, data=fields),
        ):
            assert problem(answer) == (400, "unsupported-option")
            assert (
                "method=dip takes minutes: submit the picture as a job, POST /photos/v1/jobs"
                in (answer.json()["detail"])
            )
        assert server.inferences == []
        # Nothing is restored for a mask, so it is quick.
        assert (await edge.post(f"/v1/restore/mask?{query}", content=make_picture())).status_code == 200
        assert (await edge.post(f"/v1/jobs?{query}", content=make_picture())).status_code == 202


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


async def test_a_network_that_was_not_imported_is_refused_before_anything_is_done(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    gateway = edge.app.state.edge
    gateway.release = replace(gateway.release, networks={"denoise": ("old-film",), "face": ()})
    for path, body in (
        ("/v1/restore?networks=denoise:mine", {"content": make_picture()}),
        ("/v1/restore", {"files": {"image": make_picture()}, "data": {"networks": "denoise:mine"}}),
    ):
        answer = await edge.post(path, **body)
        assert problem(answer) == (400, "unavailable-network")
        assert answer.json()["detail"] == "networks names mine for denoise, which has old-film"
    assert server.inferences == []
    stages = {stage["name"]: stage["imported"] for stage in (await edge.get("/v1/stages")).json()["stages"]}
    assert {name: names for name, names in stages.items() if names} == {"denoise": ["old-film"]}


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
        ({"image": make_picture(), "photo": b"x"}, (400, "bad-request")),
        ({"image": make_picture(), "photo": (None, b"x")}, (400, "unsupported-option")),
        ({"image": make_picture(), "options": (None, b"[]")}, (400, "unsupported-option")),
        ({"image": make_picture(), "options": (None, b'{"scale": 3}')}, (400, "unsupported-option")),
        ({"image": make_picture(), "scale": (None, b"\xff")}, (400, "bad-request")),
        ({"image": make_picture(), "preset": (None, b"x" * 70_000)}, (400, "bad-request")),
        ([("image", make_picture()), *[("", (None, b""))] * 70_000], (400, "bad-request")),
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
