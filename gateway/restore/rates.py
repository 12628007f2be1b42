"""How many restorations an API key may ask for in a time, counted in memory or, for several edges, in Redis."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from limits import parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from gateway.errors import TooManyRequests

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

logger = logging.getLogger(__name__)

IN_MEMORY = "memory://"


class Rates:
    """Counts the restorations that each API key asks for, in a window that moves.

    Where the store of the counts cannot be reached, everybody is let in, and a line in the log says so.

    Args:
        rate: such as `100/minute`.
        store: `memory://`, for this edge alone, or `redis://HOST:PORT`.

    Raises:
        ValueError: the store is of another kind, or the rate is none.
    """

    def __init__(self, rate: str, store: str = IN_MEMORY) -> None:
        self._connections: ConnectionPool | None = None
        storage: Storage = MemoryStorage()
        if store != IN_MEMORY:
            from redis.asyncio import ConnectionPool as Pool  # noqa: PLC0415 - brings the SDK of OpenTelemetry

            self._connections = Pool.from_url(store)
            storage = RedisStorage(
                f"async+{store}",
                wrap_exceptions=True,
                implementation="redispy",
                connection_pool=self._connections,  # type: ignore[arg-type]  # goes to the client, whatever the type says
            )
        self._rate = parse(rate)
        self._limiter = MovingWindowRateLimiter(storage)

    async def check(self, key: str) -> None:
        """Count a request of a key.

        Args:
            key: its name; empty for callers without one, who are not counted.

        Raises:
            TooManyRequests: the key has asked for as many as it may.
        """
        if not key:
            return
        try:
            if await self._limiter.hit(self._rate, key):
                return
            free_at, _ = await self._limiter.get_window_stats(self._rate, key)
        except StorageError as error:
            logger.warning("the store of the rates of API keys fails, so nobody is held to them: %s", error)
            return
        wait_s = max(1, math.ceil(free_at - time.time()))
        raise TooManyRequests("rate", f"the limit of this API key is {self._rate}", wait_s)

    async def close(self) -> None:
        """Close the connections to the store."""
        if self._connections is not None:
            await self._connections.aclose()
