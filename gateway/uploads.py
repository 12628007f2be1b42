"""Uploads: streamed into the workspace as they come, limited in bytes and in patience."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from gateway.admission import UploadPlace
from gateway.problems import BadRequest, UnsupportedEncoding, UploadTooSlow
from photorestore.errors import NotAnImage, PayloadTooLarge
from photorestore.imaging import LIMITS
from photorestore.workspace import Workspace

FILES = {"image": "upload", "mask": "mask_upload"}
"""Parts of a form, and the files of the workspace that they become."""
FORM = b"multipart/form-data"
LONGEST_LENGTH = 20
"""Digits of a `Content-Length` that are read."""
FRAME_BYTES = 1 << 20
"""What a form may hold beside its parts."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow an upload may be: it may take `grace_s`, and a second more for each `bytes_s` received."""

    grace_s: float
    bytes_s: float


@dataclass(frozen=True, slots=True)
class Received:
    """What was uploaded, by its SHA-256 in hexadecimal."""

    image: str
    mask: str | None


async def receive(request: Request, workspace: Workspace, pace: Pace, place: UploadPlace) -> Received:
    """Write the body, or the parts of a form, into the workspace.

    Raises:
        BadRequest: the form is broken, or has unknown parts.
        NotAnImage: there is no picture.
        PayloadTooLarge: a part is too long.
        UploadTooSlow: it brings too few bytes per second.
        OutOfSpace: shared memory is full.
        TooManyRequests: all uploads together are too large.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    is_form = kind == FORM
    limit_bytes = min(LIMITS.upload_bytes, place.limit_bytes, _all_bytes(workspace.root))
    _check_headers(request, limit_bytes, is_form=is_form)
    with contextlib.ExitStack() as files:
        parts = Parts(workspace, files, limit_bytes)
        form = _form_parser(parts, parameters.get(b"boundary")) if is_form else None
        if form is None:
            parts.begin("image")
        async with _patience(pace) as patience:
            async for chunk in request.stream():
                patience.grow(len(chunk))
                place.grow(len(chunk))
                if form is None:
                    parts.write(chunk)
                else:
                    _feed(form, chunk)
        if form is None:
            parts.end()
        elif parts.is_open:
            raise BadRequest("the form breaks off before its end")
        return parts.received()


class Parts:
    """Writes parts into the workspace, one after the other, and hashes them.

    Args:
        limit_bytes: of each part.

    Attributes:
        is_open: whether a part has begun that has not ended.
    """

    def __init__(self, workspace: Workspace, files: contextlib.ExitStack, limit_bytes: int) -> None:
        self._workspace = workspace
        self._files = files
        self._limit_bytes = limit_bytes
        self._hashes: dict[str, hashlib._Hash] = {}
        self._name = ""
        self._bytes = 0
        self.is_open = False

    def begin(self, name: str) -> None:
        """The part `name` follows.

        Raises:
            BadRequest: it is unknown, or was there before.
        """
        if name not in FILES:
            raise BadRequest(
                f"unknown part {name!r}; there are {', '.join(FILES)}, and options stand in the query"
            )
        if name in self._hashes:
            raise BadRequest(f"the part {name} is there twice")
        self._file: BinaryIO = self._files.enter_context(self._workspace.new_file(FILES[name]))
        self._hashes[name] = hashlib.sha256()
        self._name = name
        self._bytes = 0
        self.is_open = True

    def write(self, content: bytes | memoryview) -> None:
        """Bytes of the part that has begun.

        Raises:
            PayloadTooLarge: they are too many.
        """
        self._bytes += len(content)
        if self._bytes > self._limit_bytes:
            raise _too_large(self._name, self._limit_bytes)
        self._file.write(content)
        self._hashes[self._name].update(content)

    def end(self) -> None:
        """The part is complete.

        Raises:
            NotAnImage: it is empty.
        """
        if self._bytes == 0:
            raise _nothing_sent()
        self.is_open = False

    def received(self) -> Received:
        """The hashes of all parts.

        Raises:
            NotAnImage: there is no picture.
        """
        digests = {name: found.hexdigest() for name, found in self._hashes.items()}
        if "image" not in digests:
            raise _nothing_sent()
        return Received(digests["image"], digests.get("mask"))


def _nothing_sent() -> NotAnImage:
    return NotAnImage("no picture was sent; expected it as the body, or as the part image of a form")


def _all_bytes(folder: Path) -> int:
    """What a folder's file system could hold, were it empty."""
    state = os.statvfs(folder)
    return state.f_blocks * state.f_frsize


def _check_headers(request: Request, limit_bytes: int, *, is_form: bool) -> None:
    """What can be refused before a byte is read."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedEncoding(f"Content-Encoding is {encoding!r}; expected the picture as it is")
    length = request.headers.get("content-length", "")
    most = len(FILES) * limit_bytes + FRAME_BYTES if is_form else limit_bytes
    if length.isdecimal() and int(length[:LONGEST_LENGTH]) > most:
        raise _too_large("body", limit_bytes, int(length[:LONGEST_LENGTH]))


def _too_large(name: str, limit_bytes: int, got: int | None = None) -> PayloadTooLarge:
    size = "more" if got is None else f"{got} bytes"
    return PayloadTooLarge(f"the {name} has {size}; the limit of a picture is {limit_bytes} bytes")


class _Patience:
    """How long what is received may still take, and how much it may still be."""

    def __init__(self, pace: Pace, deadline: asyncio.Timeout) -> None:
        self._pace = pace
        self._deadline = deadline
        self._ends = asyncio.get_running_loop().time() + pace.grace_s
        self.received_bytes = 0
        self.grow(0)

    def grow(self, received_bytes: int) -> None:
        """Something came.

        Raises:
            PayloadTooLarge: by now it is too much.
        """
        self.received_bytes += received_bytes
        if self.received_bytes > len(FILES) * LIMITS.upload_bytes + FRAME_BYTES:
            raise _too_large("body", LIMITS.upload_bytes)
        self._deadline.reschedule(self._ends + self.received_bytes / self._pace.bytes_s)


@contextlib.asynccontextmanager
async def _patience(pace: Pace) -> AsyncIterator[_Patience]:
    start = time.monotonic()
    try:
        async with asyncio.timeout(None) as deadline:
            patience = _Patience(pace, deadline)
            yield patience
    except TimeoutError:
        raise UploadTooSlow(
            f"{patience.received_bytes} bytes came in {time.monotonic() - start:.0f} s; "
            f"expected at least {pace.bytes_s:g} per second"
        ) from None


def _form_parser(parts: Parts, boundary: bytes | None) -> MultipartParser:
    """A parser that is fed piece by piece and hands the parts' content on."""
    if not boundary:
        raise BadRequest("the form's Content-Type names no boundary")
    header: dict[str, bytes] = {"name": b"", "value": b""}
    disposition = b""

    def on_part_begin() -> None:
        nonlocal disposition
        disposition = b""

    def on_header_field(data: bytes, start: int, end: int) -> None:
        header["name"] += data[start:end]

    def on_header_value(data: bytes, start: int, end: int) -> None:
        header["value"] += data[start:end]

    def on_header_end() -> None:
        nonlocal disposition
        if header["name"].lower() == b"content-disposition":
            disposition = header["value"]
        header.update(name=b"", value=b"")

    def on_headers_finished() -> None:
        _, fields = parse_options_header(disposition)
        parts.begin(fields.get(b"name", b"").decode(errors="replace"))

    def on_part_data(data: bytes, start: int, end: int) -> None:
        parts.write(memoryview(data)[start:end])

    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": on_part_begin,
                "on_header_field": on_header_field,
                "on_header_value": on_header_value,
                "on_header_end": on_header_end,
                "on_headers_finished": on_headers_finished,
                "on_part_data": on_part_data,
                "on_part_end": parts.end,
            },
        )
    except FormParserError as error:
        raise BadRequest(f"the form cannot be read: {error}") from error


def _feed(form: MultipartParser, chunk: bytes) -> None:
    try:
        form.write(chunk)
    except FormParserError as error:
        raise BadRequest(f"the form cannot be read: {error}") from error
