"""Answers that send a result: the picture, a mask, the report or all of them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.http.disconnect import until_left
from gateway.http.middleware import IS_HEAD
from gateway.restore.content import PIECE_BYTES, Content, fetch
from gateway.restore.results import Result
from gateway.restore.returns import FORM, MEDIA_TYPES
from gateway.restore.transfers import Transfers
from photorestore.records import document_of


def answer(
    kind: str,
    result: Result,
    content_type: str,
    headers: dict[str, str],
    transfers: Transfers,
    part: range | None = None,
) -> Response:
    """Return the answer with the part `kind` of a result, one of `RETURNS`, sent as a media type.

    Args:
        part: which bytes of the picture or a mask are sent; None for all.
    """
    match kind:
        case "report":
            return JSONResponse(document_of(result.report), headers=headers, media_type=content_type)
        case "bundle":
            return _bundle(result, content_type, headers, transfers)
    return Answer([result.file(kind)], content_type, headers, transfers, part)


class Answer(Response):
    """An answer of several contents, sent piece by piece as the caller reads; a long one is counted meanwhile.

    Args:
        part: which bytes are sent, if there is one content only; None for all.
    """

    def __init__(
        self,
        contents: Sequence[Content],
        media_type: str,
        headers: Mapping[str, str],
        transfers: Transfers,
        part: range | None = None,
    ) -> None:
        whole = sum(map(len, contents))
        self._contents = contents
        self._parts = [range(len(content)) for content in contents] if part is None else [part]
        self._bytes = sum(map(len, self._parts))
        self._transfers = transfers
        own = {"Content-Length": str(self._bytes)}
        if part is not None:
            own["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{whole}"
        super().__init__(None, 200 if part is None else 206, {**headers, **own}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; called by Starlette.

        Raises:
            ClientDisconnect: the caller leaves before the end.
        """
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["state"].get(IS_HEAD):
            await send({"type": "http.response.body"})
            return
        sent = list(zip(self._contents, self._parts, strict=True))
        if self._bytes <= PIECE_BYTES:
            body = b"".join([piece for content, part in sent async for piece in _pieces(content, part)])
            await send({"type": "http.response.body", "body": body})
            return
        with self._transfers.answering(scope["state"].get("caller"), self._bytes):
            async with until_left(receive):
                for content, part in sent:
                    async for piece in _pieces(content, part):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                        await asyncio.sleep(
                            0
                        )  # lets other tasks run even if this caller reads as fast as that
            await send({"type": "http.response.body"})


async def _pieces(content: Content, part: range) -> AsyncIterator[bytes]:
    for start in range(part.start, part.stop, PIECE_BYTES):
        yield (await fetch(content, start))[: part.stop - start]


def _bundle(result: Result, content_type: str, headers: dict[str, str], transfers: Transfers) -> Response:
    """Return report, picture and masks as a form (RFC 7578) if that is the media type, else as parts (RFC 2046)."""
    boundary = secrets.token_hex(16)
    parts: list[tuple[str, str, Content]] = [
        ("report", MEDIA_TYPES["report"], json.dumps(document_of(result.report)).encode()),
        ("image", result.content_type, result.picture),
        ("mask", MEDIA_TYPES["mask"], result.mask or b""),
    ]
    if result.confidence is not None:
        parts.append(("confidence", MEDIA_TYPES["confidence"], result.confidence))
    contents: list[Content] = []
    for name, part_type, content in parts:
        disposition, length = f'attachment; name="{name}"', f"Content-Length: {len(content)}\r\n"
        if content_type == FORM:
            file = f'; filename="{name}.{part_type.partition("/")[2]}"' if name != "report" else ""
            disposition, length = f'form-data; name="{name}"{file}', ""
        head = (
            f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {part_type}\r\n{length}\r\n"
        )
        contents += [head.encode(), content, b"\r\n"]
    contents.append(f"--{boundary}--\r\n".encode())
    parameter = f"; boundary={boundary}" if content_type.startswith("multipart/") else ""
    return Answer(contents, content_type + parameter, headers, transfers)
