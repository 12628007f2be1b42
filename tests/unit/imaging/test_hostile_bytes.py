"""Whatever bytes come, there is an answer or an error of our own.

Each is tried a few hundred times, the same on every run. With FUZZ_MINUTES=30 each is tried for so long, by chance:

    FUZZ_MINUTES=30 python -m pytest tests/unit/imaging/test_hostile_bytes.py
"""

import asyncio
import contextlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from gateway.http.pace import Pace
from gateway.restore.transfers import TransferLimits, Transfers
from gateway.restore.upload import receive
from gateway.routes.queries import pairs_of, parse
from photorestore.envelope import Envelope
from photorestore.errors import RestorationError
from photorestore.imaging import open_picture
from photorestore.imaging.files.sniff import ACCEPTED, sniff
from photorestore.imaging.metadata.attach import attach
from photorestore.imaging.metadata.attachments import collect
from photorestore.imaging.metadata.change import Change
from photorestore.imaging.metadata.exif import orientation_told, rewrite_exif
from photorestore.imaging.metadata.xmp import orientation_in
from photorestore.options import FORMATS, Options, describe
from photorestore.records import document_of
from photorestore.workspace import Workspace
from tests.broken_inputs import whole_inputs
from tests.container_pieces import busy_xmp, greedy_exif, saved
from tests.hostile_containers import FAMILIES
from tests.mixed_containers import MIXED, mixture

T = TypeVar("T")

MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
pytestmark = pytest.mark.timeout(600 + 60 * MINUTES)

often = settings(
    max_examples=200,
    derandomize=not MINUTES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
WHOLE_BY_NAME = whole_inputs()
WHOLE = list(WHOLE_BY_NAME.values())
ENCODED = {name: saved(name.upper()) for name in FORMATS}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
DEEP = st.integers(1, 200_000).map(lambda depth: "[" * depth)


def run(check: Callable[[], None]) -> None:
    """Once, and again until the time is over."""
    ends = time.monotonic() + 60 * MINUTES
    check()
    while time.monotonic() < ends:
        check()


def answered(call: Callable[[], T]) -> T | None:
    """What comes of it; None if that is an error of our own."""
    with contextlib.suppress(RestorationError):
        return call()
    return None


@st.composite
def changed(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """One of the wholes with bytes changed, put in, taken out, repeated, or cut off."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(0, 6))):
        # Most often in the head, where containers say what they hold.
        start = draw(st.integers(0, min(len(content), 400)) | st.integers(0, len(content)))
        piece = draw(
            st.binary(max_size=12) | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80"])
        )
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(["over", "in", "out", "again", "cut"])):
            case "over":
                content[start : start + len(piece)] = piece
            case "in":
                content[start:start] = piece
            case "out":
                del content[start : start + length]
            case "again":
                content[start:start] = content[start : start + length] * 50
            case _:
                del content[max(start, 8) :]
    return bytes(content)


def test_sniffing_names_a_format_or_refuses() -> None:
    starts = [whole[:40] for whole in WHOLE] + [b"\0\0\0\x18ftyp", b"RIFF\0\0\0\0WEBP", b" " * 2000]

    @often
    @given(st.binary(max_size=64) | changed(starts))
    def check(upload: bytes) -> None:
        assert answered(lambda: sniff(upload)) in (None, *ACCEPTED)

    run(check)


def test_header_is_read_or_refused() -> None:
    hostile = [make(2000) for make in FAMILIES.values()] + [mixture(kind, 2000, 1) for kind in MIXED]

    @often
    @given(changed(WHOLE + hostile))
    def check(upload: bytes) -> None:
        picture = answered(lambda: open_picture(upload))
        assert picture is None or json.dumps(document_of(picture.header.as_source()))

    run(check)


def test_metadata_is_brought_up_to_date_or_left_out() -> None:
    blocks = [greedy_exif(400, kind, 5) for kind in (1, 3, 5)] + [
        b"Exif\0\0II*\0\x08\0\0\0\0\0",
        busy_xmp(300),
    ]

    @often
    @given(block=changed(blocks) | st.binary(max_size=100), gps=st.booleans())
    def check(block: bytes, *, gps: bool) -> None:
        assert 1 <= (orientation_told(block) or orientation_in(block) or 1) <= 8
        change = Change(30, 20, 20, 30, orientation=6, gps=gps)
        for name in FORMATS:
            found = collect(block, "jpeg", change, [], exif=block, xmp=block)
            found.settle(name, [])
            assert found.exif is None or rewrite_exif(found.exif.block(), change, [])
            assert attach(io.BytesIO(ENCODED[name]), name, found, [])

    run(check)


@pytest.mark.parametrize("name", WHOLE_BY_NAME)
def test_what_else_a_file_says_is_carried_or_left_out(name: str) -> None:
    kind = sniff(WHOLE_BY_NAME[name])

    @settings(often, max_examples=100)  # for each kind of file
    @given(changed([WHOLE_BY_NAME[name]]))
    def check(upload: bytes) -> None:
        for target in FORMATS:
            found = collect(upload, kind, Change(30, 20, 30, 20, gps=False), [], exif=None, xmp=None)
            found.settle(target, [])
            assert attach(io.BytesIO(ENCODED[target]), target, found, [])

    run(check)


def test_envelope_is_read_or_refused() -> None:
    whole = Envelope("1-a", "r", 1.0, Options()).to_json()

    @often
    @given(
        changed([whole])
        | st.binary()
        | DEEP.map(str.encode)
        | st.builds(
            lambda name, value: json.dumps(json.loads(whole) | {name: value}).encode(),
            st.sampled_from(sorted(json.loads(whole))),
            JSON,
        )
    )
    def check(document: bytes) -> None:
        answered(lambda: Envelope.from_json(document))

    run(check)


def test_options_are_read_or_refused() -> None:
    named = st.dictionaries(st.sampled_from(sorted(describe())) | st.text(), JSON | DEEP)
    texts = st.sampled_from(["thorough", "denoise:1", "face:0.5,face", "1e999", "-0", "NaN", "9" * 5000])
    pairs = st.tuples(
        st.sampled_from([*describe(), "timeout", "return"]) | st.text(), texts | st.text() | DEEP
    )

    @often
    @given(named.map(json.dumps) | DEEP | st.text(), st.lists(pairs, max_size=4))
    def check(text: str, query: list[tuple[str, str]]) -> None:
        answered(lambda: Options.from_json(text))
        answered(lambda: parse([*query, *pairs_of((("options", text), *query))]))

    run(check)


def test_form_is_received_or_refused() -> None:
    form = b"".join(
        b"--b\r\nContent-Disposition: form-data; name=%s\r\n\r\nxyz\r\n" % name
        for name in (b'"image"; filename="a"', b'"mask"; filename="a"', b'"options"', b"scale")
    )
    kinds = st.sampled_from(
        [b"multipart/form-data; boundary=b", b"multipart/form-data; boundary=", b"image/png"]
    )

    with tempfile.TemporaryDirectory() as root:

        @often
        @given(changed([form + b"--b--\r\n"]), kinds | st.binary(max_size=40), st.integers(1, 40))
        def check(body: bytes, kind: bytes, step: int) -> None:
            workspace = Workspace.create(Path(root), Options())
            pieces = [body[start : start + step] for start in range(0, len(body), step)]
            answered(lambda: asyncio.run(_receive(pieces, kind, workspace)))
            workspace.remove()

        run(check)


async def _receive(pieces: list[bytes], kind: bytes, workspace: Workspace) -> object:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])

    async def next_message() -> dict[str, Any]:
        return next(waiting)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}
    with Transfers(TransferLimits(1, 1 << 20, 1 << 20), lambda: 1.0).uploading(None) as place:
        return await receive(Request(scope, next_message), workspace, Pace(10, 1e6), place)
