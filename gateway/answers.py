"""A result as an answer of HTTP: picture, mask, report or all of them."""

from __future__ import annotations

import json
import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.cache import Result
from photorestore.errors import NotAcceptable
from photorestore.imaging.negotiate import weigh

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
            return Response(result.mask, headers=headers, media_type=KINDS[kind])
        case "report":
            return JSONResponse(result.report, headers=headers)
        case "bundle":
            return _bundle(result, headers)
    return Response(result.picture, headers=headers, media_type=result.content_type)


def _bundle(result: Result, headers: dict[str, str]) -> Response:
    """Report, picture and mask as multipart/mixed (RFC 2046)."""
    boundary = secrets.token_hex(16)
    report = json.dumps(result.report).encode()
    parts = (
        ("report", "application/json", report),
        ("image", result.content_type, result.picture),
        ("mask", "image/png", result.mask or b""),
    )
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: attachment; name="{name}"\r\nContent-Type: {content_type}\r\n'
        f"Content-Length: {len(content)}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content_type, content in parts
    )
    return Response(
        body + f"--{boundary}--\r\n".encode(),
        headers=headers,
        media_type=f"multipart/mixed; boundary={boundary}",
    )
