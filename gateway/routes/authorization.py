"""Which callers may use the routes: those with an API key, where keys are asked for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from gateway.errors import Unauthorized
from gateway.routes.edge import edge_of

_BEARER = HTTPBearer(auto_error=False, description="An API key, where the service asks for one")


async def require_key(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],  # for the document
) -> None:
    """See `check_key`."""
    check_key(request)


def check_key(request: Request) -> None:
    """Refuse callers without an API key, where keys are required; note the key's name as `request.state.caller`.

    Raises:
        Unauthorized: there is none, or it is not known.
    """
    keys = edge_of(request).keys
    request.state.caller = ""
    if keys is None:
        return
    scheme, key = get_authorization_scheme_param(request.headers.get("authorization"))
    name = keys.name_of(key) if scheme.lower() == "bearer" else None
    if name is None:
        raise Unauthorized("expected a known API key, as in `Authorization: Bearer KEY`")
    request.state.caller = name
