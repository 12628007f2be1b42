"""Requests to hosts that a caller has named: to the address that was checked, without redirects."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

import httpx

from gateway.jobs.destinations import Destinations

USER_AGENT = "photorestore"


def new_client(seconds: float) -> httpx.AsyncClient:
    """Return a client that takes nothing from the environment.

    Args:
        seconds: limit of each wait.
    """
    return httpx.AsyncClient(trust_env=False, timeout=seconds, headers={"User-Agent": USER_AGENT})


@contextlib.asynccontextmanager
async def answer_to(
    http: httpx.AsyncClient,
    destinations: Destinations,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> AsyncIterator[httpx.Response]:
    """Send a request; give its answer, whose content has not been read.

    The name is resolved once, so that it cannot change between the check and the connection.

    Raises:
        ForbiddenAddressError: the host has an address that is not allowed.
        httpx.HTTPError, OSError: the host cannot be reached.
    """
    target = httpx.URL(url)
    request = http.build_request(
        method,
        target.copy_with(host=await destinations.address_of(target)),
        content=content,
        headers={"Host": target.netloc.decode(), **headers},
        extensions={"sni_hostname": target.raw_host.decode()},
    )
    answer = await http.send(request, stream=True, follow_redirects=False)
    try:
        yield answer
    finally:
        await answer.aclose()
