"""Who may use the routes: callers with an API key, if the service requires one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from gateway.errors import Unauthorized
from gateway.routes.edge import edge_of
from gateway.telemetry.logs import note_key

_BEARER = HTTPBearer(auto_error=False, description="An API key, where the service asks for one")


async def require_key(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],  # for the OpenAPI document
) -> None:
    """Check the API key, as a dependency of routes; see `check_key`."""
    check_key(request)


def check_key(request: Request) -> None:
    """Refuse callers without an API key, if keys are required; store the key's name as `request.state.caller`.

    Raises:
        Unauthorized: the key is missing or unknown.
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
    note_key(name)
