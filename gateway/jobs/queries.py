"""Queries whose answers are records of jobs."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from gateway.jobs.database import Connection, Database, Row
from gateway.jobs.records import Record
from gateway.jobs.rows import from_row

logger = logging.getLogger(__name__)

UNREADABLE = "unreadable"
"""State of a record that is set aside: not one of a job's, so that only an operator finds it."""


class Queries:
    """Runs queries. Blocking.

    Attributes:
        is_shared: whether other edges may change the records, too.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_shared = database.is_shared

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _one(self, query: str, values: Mapping[str, object]) -> Record | None:
        found = self._all(query, values)
        return found[0] if found else None

    def _all(self, query: str, values: Mapping[str, object]) -> list[Record]:
        with self._database.using() as db:
            return read(db, query, values)

    def _change(self, query: str, values: Mapping[str, object]) -> bool:
        with self._database.using() as db:
            return db.execute(query, values).rowcount > 0


def read(db: Connection, query: str, values: Mapping[str, object]) -> list[Record]:
    """Return the records that a query finds; those that cannot be read are set aside, and their files stay."""
    rows = db.execute(query, values).fetchall()
    return [record for row in rows if (record := _read(db, row)) is not None]


def _read(db: Connection, row: Row) -> Record | None:
    try:
        return from_row(row)
    except Exception as error:  # noqa: BLE001 - a damaged record may raise anything
        text = "job %r: its record cannot be read and is set aside: %r"
        logger.error(text, row["id"], error)  # noqa: TRY400 - the message is enough
        change = "UPDATE jobs SET state = :state, idempotency_key = NULL, webhook_state = NULL WHERE id = :id"
        db.execute(change, {"state": UNREADABLE, "id": row["id"]})
        return None
