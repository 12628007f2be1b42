"""Callers who leave before their answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.types import Receive


@contextlib.asynccontextmanager
async def until_left(receive: Receive) -> AsyncIterator[None]:
    """Cancel the block when the caller leaves. The request must have been received as a whole.

    Raises:
        ClientDisconnect: the caller has left.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                limit.reschedule(loop.time())

            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise ClientDisconnect from None
