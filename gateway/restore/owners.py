"""How much each owner holds of a limited thing, such as places or bytes."""

from __future__ import annotations

from collections import defaultdict

Owner = str | None
"""The name of an API key; empty for callers without one, None for jobs."""


class Held:
    """How much of one limited thing is held, in total and by owner.

    Attributes:
        total: what all owners hold together.
    """

    def __init__(self) -> None:
        self.total = 0
        self._of: defaultdict[Owner, int] = defaultdict(int)

    def of(self, owner: Owner) -> int:
        """Return what an owner holds."""
        return self._of.get(owner, 0)

    def owners(self) -> list[Owner]:
        """Return the owners who hold something."""
        return list(self._of)

    def add(self, owner: Owner, amount: int) -> None:
        """Add to what an owner holds; a negative amount is given back."""
        self.total += amount
        self._of[owner] += amount
        if not self._of[owner]:
            del self._of[owner]
