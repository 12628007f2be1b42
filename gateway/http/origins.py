"""Requests from web pages of other origins: refused, or allowed by CORS."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from gateway.errors import ForeignPage

HARMLESS = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing; browsers keep their answers from foreign pages."""
OWN_SITES = ("same-origin", "none")
"""Values of `Sec-Fetch-Site` for the service's own pages, and for an address typed by a person."""
METHODS = ("GET", "HEAD", "POST", "DELETE")
SENT = (
    "Authorization",
    "Idempotency-Key",
    "If-None-Match",
    "If-Range",
    "Range",
    "X-Request-Id",
    "traceparent",
    "tracestate",
)
"""Headers that pages of other origins may send, beside those always allowed."""
EXPOSED = (
    "Accept-Ranges",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
    "Server-Timing",
    "X-Request-Id",
)
"""Headers of answers that pages of other origins may read, beside those always allowed."""
PREFLIGHT_S = 3600


def check_origin(method: str, headers: Headers, allowed: Collection[str]) -> None:
    """Refuse requests from pages of an origin that is neither the service's own nor allowed. Programs send no origin.

    `Sec-Fetch-Site` is looked at first: it is right even behind a proxy that changes `Host`. Browsers send it to https
    and loopback only.

    Args:
        allowed: other origins, see `GatewaySettings.cors_origins`.

    Raises:
        ForeignPage: the request comes from such a page.
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


def allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Let pages of other origins call the service (CORS). It must be the last middleware that is added.

    API keys travel in a header that such a page sets itself, so cookies and the like are never allowed.
    """
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=SENT,
        expose_headers=EXPOSED,
        max_age=PREFLIGHT_S,
    )


def _authority(origin: str) -> str:
    return origin.lower().partition("://")[2]
