"""Answers with several parts (RFC 2046)."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser


def split_form(content: bytes, content_type: str) -> dict[str, tuple[str, bytes]]:
    """Return media type and content of each part, by the name in its `Content-Disposition`.

    Args:
        content: the body.
        content_type: the body's `Content-Type`, which names the boundary; without one there are no parts.
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if boundary is None:
        return {}
    pieces = (b"\r\n" + content).split(f"\r\n--{boundary}".encode())
    return dict(map(_part, pieces[1:-1]))  # preamble and epilogue are ignored


def _part(piece: bytes) -> tuple[str, tuple[str, bytes]]:
    head, _, content = piece.partition(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head.lstrip())
    name = str(headers.get_param("name", "", header="content-disposition"))
    return name, (headers.get_content_type(), content)
