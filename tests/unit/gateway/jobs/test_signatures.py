"""Secrets of webhooks, and what they sign."""

from pathlib import Path

import pytest

from gateway.jobs.signatures import read_secrets, sign

STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""Of the test vector of the libraries of Standard Webhooks."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def test_signature_is_that_of_standard_webhooks(file: Path) -> None:
    file.write_text(f"{STANDARD}\n")
    headers = sign(read_secrets(file), "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330)
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_secret_signs(file: Path) -> None:
    file.write_text(f"a secret of some length\n{STANDARD}\n")
    headers = sign(read_secrets(file), "a", b"{}", 1)
    assert len(headers["webhook-signature"].split(" ")) == 2
    alone = sign(read_secrets(file)[1:], "a", b"{}", 1)
    assert alone["webhook-signature"] in headers["webhook-signature"]
    assert headers["X-Photorestore-Signature"].endswith(alone["X-Photorestore-Signature"].partition(",")[2])


@pytest.mark.parametrize("text", ["0123456789abcdef", " 0123456789abcdef\n", "\n0123456789abcdef\r\n\r\n"])
def test_line_ends_and_spaces_are_no_part_of_a_secret(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    assert read_secrets(file) == [b"0123456789abcdef"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"short",
        b"0123456789abcdef\nshort",
        b"whsec_c2hvcnQ=",
        b"whsec_no base 64 at all",
        b"\xff" * 32,
    ],
)
def test_what_is_no_secret_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ValueError, match="secret"):
        read_secrets(file)
