"""Requests that pages of other origins make their readers' browsers send, without a preflight that could be refused."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers

from gateway.problems import ForeignPage

HARMLESS = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing; browsers let no foreign page read their answers."""
OWN_SITES = ("same-origin", "none")
"""What browsers say in `Sec-Fetch-Site` of our own pages, and of what a person typed in."""


def check_origin(method: str, headers: Headers, allowed: Collection[str]) -> None:
    """Refuse what a page of an origin sends that is neither ours nor allowed. Programs send no origin.

    `Sec-Fetch-Site` goes first: it holds behind a proxy that changes `Host`, too. Browsers send it to https and to
    loopback only.

    Args:
        allowed: other origins, see `GatewaySettings.cors_origins`.

    Raises:
        ForeignPage: it is such a page.
    """
    if method in HARMLESS:
        return
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin in allowed or site in OWN_SITES or (origin is None and site is None):
        return
    if site is None and origin is not None and _authority(origin) == headers.get("host", "").lower():
        return
    raise ForeignPage(
        f"a page of {origin or 'another origin'} may not call this service; --cors-origins names those that may"
    )


def _authority(origin: str) -> str:
    return origin.lower().partition("://")[2]
