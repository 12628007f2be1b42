"""A result as an answer of HTTP: picture, mask, report or all of them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.admission import Admission
from gateway.cache import Result
from gateway.leaving import until_left
from gateway.stored import PIECE_BYTES, Content, fetch
from photorestore.errors import NotAcceptable
from photorestore.imaging.negotiate import weigh
from photorestore.records import document_of

KINDS = {"mask": "image/png", "report": "application/json", "bundle": "multipart/mixed"}
"""Media types of what `return` may ask for beside the picture, which is negotiated."""


def check_accept(content_type: str, accept: str) -> None:
    """Check that a media type is among those that are accepted.

    Raises:
        NotAcceptable: it is not.
    """
    if weigh(content_type, accept)[0] <= 0:
        raise NotAcceptable(f"Accept is {accept!r}; this comes as {content_type}")


def etag_of(key: str, kind: str) -> str:
    """Strong for pictures, which are the same byte for byte; weak where times of the run are part of the answer."""
    name = f'"{key[:40]}-{kind}"'
    return name if kind in ("image", "mask") else f"W/{name}"


def if_none_match(request: Request) -> set[str]:
    """The ETags that the caller has, without their marks of weakness; `*` may be among them."""
    sent = ",".join(request.headers.getlist("if-none-match")).split(",")
    return {name.strip().removeprefix("W/") for name in sent}


def answer(kind: str, result: Result, headers: dict[str, str]) -> Response:
    """The part of a result that was asked for, one of `RETURNS`."""
    match kind:
        case "mask":
            return Answer([result.mask or b""], KINDS[kind], headers)
        case "report":
            return JSONResponse(document_of(result.report), headers=headers)
        case "bundle":
            return _bundle(result, headers)
    return Answer([result.picture], result.content_type, headers)


class Answer(Response):
    """Contents, sent one after the other, piece by piece as the caller reads; counted as long as that takes."""

    def __init__(self, contents: Sequence[Content], media_type: str, headers: Mapping[str, str]) -> None:
        self._contents = contents
        self._bytes = sum(map(len, contents))
        super().__init__(None, 200, {**headers, "Content-Length": str(self._bytes)}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by Starlette.

        Raises:
            ClientDisconnect: the caller leaves before the end.
        """
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if self._bytes <= PIECE_BYTES:
            body = b"".join([await fetch(content, 0) for content in self._contents])
            await send({"type": "http.response.body", "body": body})
            return
        admission: Admission = scope["app"].state.gateway.admission
        with admission.answering(scope["state"].get("caller"), self._bytes):
            async with until_left(receive):
                for content in self._contents:
                    await _send(content, send)
            await send({"type": "http.response.body"})


async def _send(content: Content, send: Send) -> None:
    for start in range(0, len(content), PIECE_BYTES):
        body = await fetch(content, start)
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(0)  # others, too, where this caller reads as fast as we send


def _bundle(result: Result, headers: dict[str, str]) -> Response:
    """Report, picture and mask as multipart/mixed (RFC 2046)."""
    boundary = secrets.token_hex(16)
    parts: tuple[tuple[str, str, Content], ...] = (
        ("report", KINDS["report"], json.dumps(document_of(result.report)).encode()),
        ("image", result.content_type, result.picture),
        ("mask", KINDS["mask"], result.mask or b""),
    )
    contents: list[Content] = []
    for name, content_type, content in parts:
        head = (
            f'--{boundary}\r\nContent-Disposition: attachment; name="{name}"\r\n'
            f"Content-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        contents += [head.encode(), content, b"\r\n"]
    contents.append(f"--{boundary}--\r\n".encode())
    return Answer(contents, f"multipart/mixed; boundary={boundary}", headers)
