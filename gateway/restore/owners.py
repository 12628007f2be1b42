"""Who holds how much of what there is."""

from __future__ import annotations

from collections import defaultdict

Owner = str | None
"""The name of an API key; empty for all callers without one, None for jobs."""


class Held:
    """How much of one thing is held, in all and by owner.

    Attributes:
        total: of all owners.
    """

    def __init__(self) -> None:
        self.total = 0
        self._of: defaultdict[Owner, int] = defaultdict(int)

    def of(self, owner: Owner) -> int:
        """What an owner holds."""
        return self._of.get(owner, 0)

    def owners(self) -> list[Owner]:
        """Those who hold something."""
        return list(self._of)

    def add(self, owner: Owner, amount: int) -> None:
        """An owner takes so much more, or, below 0, gives it back."""
        self.total += amount
        self._of[owner] += amount
        if not self._of[owner]:
            del self._of[owner]
