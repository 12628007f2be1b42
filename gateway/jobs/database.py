"""What the records need of a database: SQLite and PostgreSQL both give it, and the queries are the same for both."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

Values = Mapping[str, object]
"""Values of a query's parameters by name; in the query's text they stand as `:name`."""


class Row(Protocol):
    """A row of an answer, whose columns are read by name."""

    def __getitem__(self, name: str, /) -> Any:
        """Return the value of a column."""


class Cursor(Protocol):
    """The answer to a query."""

    @property
    def rowcount(self) -> int:
        """Return how many rows were changed."""

    def fetchall(self) -> list[Any]:
        """Return the rows, each of which is a `Row`."""


class Connection(Protocol):
    """Runs queries. Each change is on disk before `Database.using` ends without an error."""

    def execute(self, query: str, values: Values, /) -> Cursor:
        """Run one query."""


class Database(Protocol):
    """The database of the jobs' records. Thread-safe; blocking.

    Attributes:
        is_shared: whether other edges may use it at the same time.
    """

    is_shared: bool

    def using(self, *, alone: bool = False) -> AbstractContextManager[Connection]:
        """Give a connection.

        Args:
            alone: wait until nobody else is here, in this edge or in another one, who wants to be alone.

        Raises:
            OutOfSpace: there is no room for a change.
            JobsUnavailable: the database cannot be reached, takes no changes or fails.
        """

    def close(self) -> None:
        """Close all connections."""
