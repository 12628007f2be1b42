"""Which API keys ask."""

from __future__ import annotations

import time
from collections.abc import Set as AbstractSet

from gateway.restore.owners import Owner

ASKS_S = 600.0
"""For so long after its last request a key counts among those that ask: the longest time that one may take."""


class Asking:
    """When each API key has asked for the last time."""

    def __init__(self) -> None:
        self._asked: dict[Owner, float] = {}

    def note(self, owner: Owner) -> None:
        """Note that an owner asks now; callers without a key, and jobs, do not count."""
        if owner:
            self._asked.pop(owner, None)  # the latest goes last
            self._asked[owner] = time.monotonic()

    def others(self, owner: Owner) -> AbstractSet[Owner]:
        """Return the API keys that ask beside an owner."""
        since = time.monotonic() - ASKS_S
        while (first := next(iter(self._asked), None)) is not None and self._asked[first] < since:
            del self._asked[first]
        return self._asked.keys() - {owner}

    def silent_s(self, owner: Owner, busy: AbstractSet[Owner]) -> float:
        """Return for how many seconds no key but an owner's has asked, or been among those that are busy."""
        now = time.monotonic()
        return now - max(now if key in busy else last for key, last in self._asked.items() if key != owner)
