"""A base class for contexts that hold connections or files open."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """Calls `close` at the end of a `with` block, whatever happens in it."""

    def close(self) -> None:
        """Close connections and files."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
