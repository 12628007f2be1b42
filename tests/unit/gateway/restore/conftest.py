"""A clock that tests set."""

import asyncio
from types import SimpleNamespace

import pytest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the time is for admission."""
    now = [1000.0]
    for module in ("admission", "asking"):
        monkeypatch.setattr(f"gateway.restore.{module}.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
async def timers(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The same, by which the loop's timers go as well."""
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0])
    return clock
