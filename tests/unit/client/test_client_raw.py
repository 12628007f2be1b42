"""The client of TorchServe's workflow without the edge."""

import json

import pytest
from photorestore_client import (
    BadPicture,
    Problem,
    Unreachable,
)
from photorestore_client.raw import RawClient

from tests.edge_double import Edge, say


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"RIFF....WEBP", "image/webp"),
        (b"II*\0", "image/tiff"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x1cftypheic", "image/heic"),
        (b"\0\0\0\x1cftypmif1", "image/heif"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    ],
)
def test_raw_door_finds_the_media_type_in_the_body(edge: Edge, content: bytes, expected: str) -> None:
    edge.misbehave.append(say(200, content, "application/json"))
    with RawClient(edge.url) as raw:
        restored = raw.restore(b"old", stages=["denoise"])
    assert (restored.content, restored.content_type) == (content, expected)
    assert edge.seen[0].path == "/wfpredict/restore"
    assert json.loads(edge.seen[0].headers["X-Restore-Options"]) == {"stages": ["denoise"]}


def test_raw_door_finds_problems_in_the_body(edge: Edge) -> None:
    document = {"type": "urn:photorestore:problem:not-an-image", "status": 415, "detail": "text"}
    edge.misbehave += [
        say(200, json.dumps(document).encode(), "application/json"),
        say(200, b'{"code": 500, "type": "InternalServerException"}', "application/json"),
        say(200, b"{", "application/json"),
        say(500, b'{"code": 500, "type": "InternalServerException"}', "application/json"),
    ]
    with RawClient(edge.url) as raw:
        with pytest.raises(BadPicture) as caught:
            raw.restore(b"old", request_id="mine")
        for _ in range(3):
            with pytest.raises(Unreachable):
                raw.restore(b"old")
    assert isinstance(caught.value, Problem)
    assert (caught.value.status, caught.value.request_id) == (415, "mine")
