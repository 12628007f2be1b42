"""ETags of results, and the conditional requests that use them."""

from __future__ import annotations

from starlette.requests import Request


def etag_of(key: str, kind: str) -> str:
    """Return the ETag of a result.

    It is strong for pictures and masks, which are the same byte for byte, and weak where the answer holds durations of
    the run.
    """
    name = f'"{key[:40]}-{kind}"'
    return name if kind in ("image", "mask", "confidence") else f"W/{name}"


def if_none_match(request: Request) -> set[str]:
    """Return the ETags in `If-None-Match` without their prefix `W/`; `*` may be among them."""
    sent = ",".join(request.headers.getlist("if-none-match")).split(",")
    return {name.strip().removeprefix("W/") for name in sent}
