"""Options in forms: as fields, or as a JSON object; and answers that are forms."""

import email
import io
import json
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from photorestore.blur_words import as_data_url
from tests.edge import EdgeClient, FakeTorchServe, make_mask, make_picture, problem, running_edge
from tests.jobs import wait

pytestmark = pytest.mark.anyio

AS_FIELDS = {"scale": (None, "2.0"), "stages": (None, "face"), "format": (None, "PNG")}
AS_JSON = {
    "options": (None, json.dumps({"scale": 2, "stages": ["face"], "format": "png", "sigma_255": None}))
}
AS_BLOB = {"options": ("blob", AS_JSON["options"][1], "application/json")}
"""As `FormData` of a browser sends a `Blob`."""


@pytest.mark.parametrize("fields", [AS_FIELDS, AS_JSON, AS_BLOB])
@pytest.mark.parametrize("is_first", [True, False])
async def test_options_of_a_form_are_those_of_a_query(
    edge: EdgeClient, server: FakeTorchServe, fields: dict[str, Any], is_first: bool
) -> None:
    asked = await edge.post("/v1/restore?scale=2&stages=face&format=png", content=make_picture())
    files = fields | {"image": make_picture()} if is_first else {"image": make_picture()} | fields
    answer = await edge.post("/v1/restore", files=files)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert (answer.content, answer.headers["etag"]) == (asked.content, asked.headers["etag"])
    assert server.inferences[0]["options"] == server.inferences[1]["options"]


async def test_a_blur_may_be_a_picture_of_it(edge: EdgeClient, server: FakeTorchServe) -> None:
    blur = make_picture(9, 7)
    answer = await edge.post("/v1/restore", files={"image": make_picture(), "psf": blur})
    assert answer.status_code == 200
    sent = server.inferences[0]["options"]["psf"]
    assert sent == as_data_url(blur)
    in_words = await edge.post(
        "/v1/restore?deblur_method=wiener", data={"psf": sent}, files={"image": make_picture()}
    )
    assert in_words.status_code == 200, "a data URL does the same"


@pytest.mark.parametrize(
    ("blur", "detail"),
    [
        (b"no picture", "psf is no picture"),
        (b"", "psf is"),
        (make_picture(8, 128), "psf is a picture of 128x8 px; expected at most 127x127"),
        (bytes(70000), "the fields of the form have more"),
    ],
)
async def test_a_wrong_picture_of_a_blur_is_refused(edge: EdgeClient, blur: bytes, detail: str) -> None:
    answer = await edge.post("/v1/restore", files={"image": make_picture(), "psf": ("k.png", blur)})
    assert answer.status_code == 400
    assert detail in answer.json()["detail"]


async def test_lists_are_fields_of_one_name(edge: EdgeClient, server: FakeTorchServe) -> None:
    files: Any = [("image", make_picture()), ("stages", (None, b"denoise")), ("stages", (None, b"face"))]
    assert (await edge.post("/v1/restore", files=files)).status_code == 200
    assert server.inferences[0]["options"]["stages"] == ["denoise", "face"]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("?scale=2", {"scale": (None, "2")}),
        ("", AS_JSON | {"scale": (None, "2")}),
        ("?return=mask", {"return": (None, "mask")}),
    ],
)
async def test_an_option_stands_in_one_place(edge: EdgeClient, query: str, fields: dict[str, Any]) -> None:
    answer = await edge.post(f"/v1/restore{query}", files=fields | {"image": make_picture()})
    assert problem(answer) == (400, "unsupported-option")
    assert "is given twice" in answer.json()["detail"]


async def test_what_is_returned_and_how_long_is_waited_may_stand_in_a_form(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    fields = {"return": (None, "mask"), "timeout": (None, "50")}
    files: dict[str, Any] = fields | {"image": make_picture(), "mask": make_mask()}
    answer = await edge.post("/v1/restore", files=files)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert server.inferences[0]["options"]["timeout_s"] == 50
    assert server.inferences[0]["options"]["strength"] == 0
    analysis = await edge.post("/v1/analyze", files={"timeout": (None, "50"), "image": make_picture()})
    assert analysis.json()["source"]["format"] == "png"
    refused = await edge.post("/v1/analyze", files={"scale": (None, "2"), "image": make_picture()})
    assert problem(refused) == (400, "unsupported-option")


async def test_jobs_take_options_of_forms(server: FakeTorchServe, root: Path, tmp_path: Path) -> None:
    async with running_edge(server, root, jobs_dir=tmp_path / "jobs") as edge:
        files: dict[str, Any] = AS_FIELDS | {"return": (None, "report"), "image": make_picture()}
        job = await wait(edge, (await edge.post("/v1/jobs", files=files)).json())
        assert job["result"]["return"] == "report"
        report = (await edge.get(job["links"]["result"])).json()
        assert (report["width"], report["content_type"]) == (120, "image/png")
        hooked = await edge.post("/v1/jobs", files={"webhook": (None, "https://a.example"), "image": b"x"})
        assert problem(hooked) == (400, "unsupported-option")
        for name in ("mask", "report", "bundle"):
            by_path = await edge.get(f"{job['links']['result']}/{name}")
            by_option = await edge.get(f"{job['links']['result']}?return={name}")
            assert (by_path.status_code, by_path.headers["etag"]) == (200, by_option.headers["etag"])
        unknown = await edge.get(f"{job['links']['result']}/mask?return=image")
        assert problem(unknown) == (400, "unsupported-option")


async def test_presets_are_named_and_used(server: FakeTorchServe, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "presets.toml"
    file.write_text('[web]\nformat = "webp"\nquality = 70\nstages = ["face"]\n')
    async with running_edge(server, root, presets_file=file) as edge:
        assert (await edge.get("/v1/stages")).json()["presets"] == {
            "web": {"format": "webp", "quality": 70, "stages": ["face"]}
        }
        answer = await edge.post("/v1/restore?preset=web&quality=80", content=make_picture())
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
        assert server.inferences[0]["options"]["quality"] == 80
        form = await edge.post("/v1/restore", files={"preset": (None, "web"), "image": make_picture()})
        assert form.headers["content-type"] == "image/webp"


def parts_of(bundle: httpx.Response, content_type: str) -> dict[str, Message]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + bundle.content).walk()
    return {
        str(part.get_param("name", header="content-disposition")): part
        for part in parts
        if not part.is_multipart()
    }


def payload(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize("accept", ["multipart/form-data", "multipart/mixed;q=0.5, multipart/form-data"])
async def test_bundle_comes_as_a_form(edge: EdgeClient, accept: str) -> None:
    answer = await edge.post(
        "/v1/restore/bundle?stages=&format=jpeg", content=make_picture(), headers={"Accept": accept}
    )
    assert answer.headers["content-type"].startswith("multipart/form-data; boundary=")
    parts = parts_of(answer, answer.headers["content-type"])
    dispositions = {name: part["Content-Disposition"] for name, part in parts.items()}
    assert dispositions == {
        "report": 'form-data; name="report"',
        "image": 'form-data; name="image"; filename="image.jpeg"',
        "mask": 'form-data; name="mask"; filename="mask.png"',
    }
    assert {name for part in parts.values() for name in part} == {"Content-Disposition", "Content-Type"}
    assert json.loads(payload(parts["report"]))["content_type"] == "image/jpeg"
    assert Image.open(io.BytesIO(payload(parts["image"]))).size == (60, 40)


@pytest.mark.parametrize("accept", ["", "*/*", "multipart/*", "multipart/mixed, multipart/form-data"])
async def test_bundle_comes_as_parts_where_both_will_do(edge: EdgeClient, accept: str) -> None:
    answer = await edge.post("/v1/restore/bundle?stages=", content=make_picture(), headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("multipart/mixed; boundary=")


@pytest.mark.parametrize("kind", ["image", "mask", "report", "bundle"])
async def test_callers_who_know_only_octets_get_them(edge: EdgeClient, kind: str) -> None:
    accept = {"Accept": "application/octet-stream, application/problem+json"}
    url = f"/v1/restore?return={kind}&stages=&format=png"
    plain = await edge.post(url, content=make_picture())
    octets = await edge.post(url, content=make_picture(), headers=accept)
    assert octets.headers["content-type"] == "application/octet-stream"
    assert octets.headers["etag"] == plain.headers["etag"]
    if kind == "bundle":
        boundary = octets.content.partition(b"\r\n")[0].decode().removeprefix("--")
        assert set(parts_of(octets, f"multipart/mixed; boundary={boundary}")) == {"report", "image", "mask"}
    elif kind != "report":
        assert octets.content == plain.content
    refused = await edge.post("/v1/restore", content=b"x", headers=accept)
    assert problem(refused) == (415, "not-an-image")
