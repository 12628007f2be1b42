"""Pages for people: one to restore a photograph with, and one that shows the HTTP interface.

Their files lie in `gateway/page/` and in the package fastapi-offline, which carries Swagger UI. Nothing is loaded from
elsewhere, and a strict policy makes browsers enforce that.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",  # blob: the photographs; data: arrows in Swagger UI's style sheet
    "connect-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, but checked by ETag each time, so that a new release shows at once
}
"""Headers of every file of a page."""


class Files(StaticFiles):
    """Files of a folder, with the headers of a page."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """Return a file with the headers of a page; called by Starlette."""
        response = super().file_response(*arguments, **named)
        response.headers.update(HEADERS)
        return response


def add_pages(app: FastAPI) -> None:
    """Serve the pages at `/` and `/docs`."""
    files = Files(packages=[("gateway", "page")])

    async def page(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    async def docs(request: Request) -> Response:
        return await files.get_response("docs.html", request.scope)

    app.add_route("/", page, include_in_schema=False)
    app.add_route("/docs", docs, include_in_schema=False)
    app.mount("/page", files)
    app.mount("/docs/files", Files(packages=[("fastapi_offline", "static")]))
