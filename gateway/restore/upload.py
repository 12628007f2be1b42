"""Uploads: streamed into the workspace as they arrive, limited in bytes and in time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from gateway.errors import BadRequest, UnsupportedEncoding, UploadTooSlow
from gateway.http.pace import Pace
from gateway.restore.form import feed, form_parser
from gateway.restore.parts import FILES, Fields, Parts, Received, too_large
from gateway.restore.transfers import UploadPlace
from gateway.telemetry.logs import note
from photorestore.imaging import LIMITS
from photorestore.workspace import Workspace

FORM = b"multipart/form-data"
LONGEST_LENGTH = 20
"""Digits of a `Content-Length` that are read; more would only be a larger number."""
FRAME_BYTES = 1 << 20
"""Bytes that a form may have beside the content of its parts."""


async def receive(
    request: Request, workspace: Workspace, pace: Pace, place: UploadPlace
) -> tuple[Received, Fields]:
    """Write the body, or the pictures of a form, into the workspace; return their hashes, and the form's fields.

    Raises:
        BadRequest: the form is broken, or has unknown files.
        NotAnImage: there is no picture.
        PayloadTooLarge: a part is too long.
        UploadTooSlow: the upload arrives with too few bytes per second.
        OutOfSpace: shared memory is full.
        TooManyRequests: all uploads in flight together are too large.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    is_form = kind == FORM
    limit_bytes = min(LIMITS.upload_bytes, place.limit_bytes, all_bytes(workspace.root))
    _check_headers(request, limit_bytes, is_form=is_form)
    with contextlib.ExitStack() as files:
        parts = Parts(workspace, files, limit_bytes)
        form = form_parser(parts, parameters.get(b"boundary")) if is_form else None
        if form is None:
            parts.begin("image", is_file=True)
        async with patience_of(pace) as patience:
            async for chunk in request.stream():
                patience.grow(len(chunk))
                place.grow(len(chunk))
                if form is None:
                    parts.write(chunk)
                else:
                    feed(form, chunk)
        if form is None:
            parts.end()
        elif parts.is_open:
            raise BadRequest("the form breaks off before its end")
        return parts.received(), tuple(parts.fields)


def all_bytes(folder: Path) -> int:
    """Return the size of a folder's file system."""
    state = os.statvfs(folder)
    return state.f_blocks * state.f_frsize


def _check_headers(request: Request, limit_bytes: int, *, is_form: bool) -> None:
    """Refuse what the headers show to be invalid before the body is read."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedEncoding(f"Content-Encoding is {encoding!r}; expected the picture as it is")
    length = request.headers.get("content-length", "")
    most = len(FILES) * limit_bytes + FRAME_BYTES if is_form else limit_bytes
    if length.isdecimal() and int(length[:LONGEST_LENGTH]) > most:
        raise too_large("body", limit_bytes, int(length[:LONGEST_LENGTH]))


class Patience:
    """Moves the deadline of an upload on as bytes arrive, and limits their number."""

    def __init__(self, pace: Pace, deadline: asyncio.Timeout) -> None:
        self._pace = pace
        self._deadline = deadline
        self._ends = asyncio.get_running_loop().time() + pace.grace_s
        self.received_bytes = 0
        self.grow(0)

    def grow(self, received_bytes: int) -> None:
        """Count received bytes.

        Raises:
            PayloadTooLarge: there are more than any form may have.
        """
        self.received_bytes += received_bytes
        if self.received_bytes > len(FILES) * LIMITS.upload_bytes + FRAME_BYTES:
            raise too_large("body", LIMITS.upload_bytes)
        self._deadline.reschedule(self._ends + self.received_bytes / self._pace.bytes_s)


@contextlib.asynccontextmanager
async def patience_of(pace: Pace) -> AsyncIterator[Patience]:
    """Give who lets a transfer take as long as its pace allows.

    Raises:
        UploadTooSlow: it takes longer.
    """
    start = time.monotonic()
    try:
        async with asyncio.timeout(None) as deadline:
            patience = Patience(pace, deadline)
            try:
                yield patience
            finally:
                note(bytes_in=patience.received_bytes)
    except TimeoutError:
        raise UploadTooSlow(
            f"{patience.received_bytes} bytes came in {time.monotonic() - start:.0f} s; "
            f"expected at least {pace.bytes_s:g} per second"
        ) from None
