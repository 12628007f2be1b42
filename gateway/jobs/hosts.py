"""Pictures and results of jobs at other hosts, by presigned URLs, of which no query is ever logged or shown."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
from collections.abc import AsyncIterator

import httpx

from gateway.errors import PlaceNotAllowed, PlaceUnavailable, ResultRefused, SourceForbidden, SourceNotFound
from gateway.jobs.destinations import Destinations, ForbiddenAddressError
from gateway.jobs.pinned import answer_to, new_client
from gateway.restore.parts import Parts, too_large

logger = logging.getLogger(__name__)

WAIT_S = 20.0
LONGEST_S = 120.0
"""Time limit of a transfer as a whole: it holds one of the places for jobs."""
_GONE = (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE)
_PASSING = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_EARLY, http.HTTPStatus.TOO_MANY_REQUESTS)


async def read(url: str, hosts: Destinations, parts: Parts, limit_bytes: int) -> None:
    """Read a picture as the part that has begun.

    Raises:
        SourceNotFound, SourceForbidden: it is not there, or not for this service.
        PlaceNotAllowed: the host's address is not allowed.
        PlaceUnavailable: the host cannot be reached, fails or is too slow.
        PayloadTooLarge: it has more bytes than that.
    """
    plain = {"Accept-Encoding": "identity"}
    async with _answer(hosts, "GET", url, plain) as answer:
        if answer.status_code in _GONE:
            raise SourceNotFound(f"the source is not there: its host answered {answer.status_code}")
        if answer.status_code != http.HTTPStatus.OK:
            raise SourceForbidden(f"the host of the source answered {_told(answer)}")
        length = answer.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit_bytes:
            raise too_large("source", limit_bytes, int(length))
        async for piece in answer.aiter_raw():  # as it is: what is unpacked may be larger than any limit
            parts.write(piece)


async def write(url: str, hosts: Destinations, content: bytes, content_type: str) -> str:
    """Send a result by PUT; return the ETag that the host answers with, which may be empty.

    Raises:
        ResultRefused: the host does not take it.
        PlaceNotAllowed: the host's address is not allowed.
        PlaceUnavailable: the host cannot be reached, fails or is too slow.
    """
    async with _answer(hosts, "PUT", url, {"Content-Type": content_type}, content) as answer:
        if not answer.is_success:
            raise ResultRefused(f"the host for the result answered {_told(answer)}")
        return answer.headers.get("etag", "")


def _told(answer: httpx.Response) -> str:
    """Say what a host answered, which does not do, and what to do about it if that is known."""
    if answer.is_redirect:
        return f"{answer.status_code}, and redirects are not followed; expected the URL that it leads to"
    return str(answer.status_code)


@contextlib.asynccontextmanager
async def _answer(
    hosts: Destinations, method: str, url: str, headers: dict[str, str], content: bytes | None = None
) -> AsyncIterator[httpx.Response]:
    try:
        async with (
            asyncio.timeout(LONGEST_S),
            new_client(WAIT_S) as client,
            answer_to(client, hosts, method, url, headers, content) as answer,
        ):
            if answer.is_server_error or answer.status_code in _PASSING:
                raise PlaceUnavailable(f"the host of the {hosts.what} answered {answer.status_code}")
            yield answer
    except ForbiddenAddressError as error:
        raise PlaceNotAllowed(f"{hosts.what}: {error}") from None
    except (TimeoutError, httpx.HTTPError, OSError, ValueError) as error:
        logger.info("the host of a %s: %s", hosts.what, type(error).__name__)
        raise PlaceUnavailable(f"the host of the {hosts.what} cannot be reached, or is too slow") from None
