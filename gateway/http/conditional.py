"""Names of results, by which callers learn that they have them already."""

from __future__ import annotations

from starlette.requests import Request


def etag_of(key: str, kind: str) -> str:
    """Return the ETag of a result.

    It is strong for pictures, which are the same byte for byte, and weak where times of the run are part of the answer.
    """
    name = f'"{key[:40]}-{kind}"'
    return name if kind in ("image", "mask") else f"W/{name}"


def if_none_match(request: Request) -> set[str]:
    """Return the ETags that the caller has, without their marks of weakness; `*` may be among them."""
    sent = ",".join(request.headers.getlist("if-none-match")).split(",")
    return {name.strip().removeprefix("W/") for name in sent}
