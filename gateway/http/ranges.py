"""Parts of an answer, which callers ask for by the header `Range` (RFC 9110): to go on with a broken download."""

from __future__ import annotations

import re

from starlette.requests import Request

from gateway.errors import RangeNotSatisfiable
from gateway.http.middleware import IS_HEAD

_ONE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


def range_of(request: Request, length: int, etag: str) -> range | None:
    """Return the bytes that are asked for; None for all of them.

    Several ranges, other units and what cannot be read are answered with all, as the RFC allows.

    Args:
        length: of the whole answer.
        etag: of the answer; if `If-Range` names another one, the caller has to begin anew.

    Raises:
        RangeNotSatisfiable: there are no such bytes.
    """
    text = "" if getattr(request.state, IS_HEAD) else request.headers.get("range", "")
    found = _ONE.fullmatch(text)
    if found is None or found.groups() == ("", "") or request.headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    start = int(first) if first else max(length - int(last), 0)
    stop = min(int(last) + 1, length) if first and last else length
    if first and last and int(last) < start:
        return None
    if start >= length:
        raise RangeNotSatisfiable(text, length)
    return range(start, stop)
