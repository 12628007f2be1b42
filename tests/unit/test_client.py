import json

import pytest
import requests
from photorestore_client import Client, Problem, Unreachable
from photorestore_client.__main__ import main
from photorestore_client.errors import BadOption, BadPicture, Busy, Failed, TooLate

JPEG = b"\xff\xd8\xff\xe0 picture"


class FakeSession:
    def __init__(self, content: bytes, status: int = 200) -> None:
        self.answer = requests.Response()
        self.answer.status_code = status
        self.answer._content = content
        self.sent: dict = {}

    def post(self, url, **sent):
        self.sent = {"url": url, **sent}
        return self.answer

    def close(self) -> None:
        pass


def make_client(content: bytes, status: int = 200) -> tuple[Client, FakeSession]:
    client, session = Client("http://host:1/"), FakeSession(content, status)
    client._session.close()
    client._session = session
    return client, session


def test_picture_and_options_are_sent(tmp_path):
    client, session = make_client(JPEG)
    (tmp_path / "old.jpg").write_bytes(b"old")
    restored = client.restore(tmp_path / "old.jpg", request_id="r1", stages=["denoise"])
    assert (restored.content, restored.content_type) == (JPEG, "image/jpeg")
    assert session.sent["url"] == "http://host:1/wfpredict/restore"
    assert session.sent["data"] == b"old"
    assert session.sent["headers"]["X-Request-Id"] == "r1"
    assert json.loads(session.sent["headers"]["X-Restore-Options"]) == {"stages": ["denoise"]}


def test_mask_goes_as_a_part():
    client, session = make_client(JPEG)
    client.restore(b"old", mask=b"mask")
    assert {name: content for name, (_, content) in session.sent["files"].items()} == {
        "image": b"old",
        "mask": b"mask",
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"RIFF....WEBP", "image/webp"),
        (b"II*\0", "image/tiff"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
    ],
)
def test_media_type_is_found_in_the_body(content, expected):
    client, _ = make_client(content)
    assert client.restore(b"old").content_type == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, BadOption), (406, BadOption), (422, BadPicture), (503, Busy), (504, TooLate), (500, Failed)],
)
def test_problem_documents_are_exceptions_whatever_the_transport_says(status, expected):
    document = {
        "type": "urn:photorestore:problem:some-thing",
        "status": status,
        "detail": "why",
        "stage": "x",
    }
    client, _ = make_client(json.dumps(document).encode())
    with pytest.raises(expected) as caught:
        client.restore(b"old")
    assert isinstance(caught.value, Problem)
    assert (caught.value.type, caught.value.detail, caught.value.stage) == ("some-thing", "why", "x")


@pytest.mark.parametrize(
    ("content", "status"),
    [(b'{"code": 500, "type": "InternalServerException"}', 500), (b"{", 200), (b"Bad Gateway", 502)],
)
def test_other_answers_are_no_answers(content, status):
    client, _ = make_client(content, status)
    with pytest.raises(Unreachable):
        client.restore(b"old")


def test_nobody_listens(tmp_path, capsys):
    (tmp_path / "old.jpg").write_bytes(b"old")
    files = [str(tmp_path / "old.jpg"), str(tmp_path / "new.jpg")]
    assert main([*files, "--url", "http://127.0.0.1:9"]) == 1
    assert "old.jpg" in capsys.readouterr().err
    assert not (tmp_path / "new.jpg").exists()
