"""Identical requests in flight share one run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class InFlight(Generic[Result]):
    """Runs in flight by key. A run continues when those who wait for it leave."""

    def __init__(self) -> None:
        self._runs: dict[str, asyncio.Task[Result]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def find(self, key: str) -> asyncio.Task[Result] | None:
        """Return the unfinished run of a key, or None."""
        run = self._runs.get(key)
        return None if run is None or run.done() else run

    def start(self, key: str, run: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start the run of a key, for which none may be in flight."""
        task = asyncio.create_task(run)
        self._runs[key] = task
        task.add_done_callback(lambda ended: self._end(key, ended))
        return task

    async def drain(self, seconds: float) -> None:
        """Wait until all runs have ended; cancel those that take longer."""
        if not self._runs:
            return
        _, late = await asyncio.wait(self._runs.values(), timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _end(self, key: str, task: asyncio.Task[Result]) -> None:
        if self._runs.get(key) is task:
            del self._runs[key]
        if not task.cancelled():
            task.exception()  # asyncio complains about errors that nobody retrieves, and those who waited may have left
