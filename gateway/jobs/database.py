"""The SQLite file of the jobs' records. Each change is one statement, and is on disk before anybody is told of it."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.jobs.disk_trouble import trouble_means_retry
from gateway.jobs.records import Record
from gateway.jobs.rows import VERSIONS, from_row

logger = logging.getLogger(__name__)

UNREADABLE = "unreadable"
"""State of a record that is set aside: not one of a job's, so that only an operator finds it."""


class Database:
    """All records, in a file that only this process uses. Thread-safe; blocking.

    Each method raises OutOfSpace if the disk is full, and JobsUnavailable if it is read-only or failing. A record that
    cannot be read is set aside.

    Raises:
        OSError: the file cannot be used.
        ValueError: a later version of the service has written it.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        with contextlib.ExitStack() as opened:
            try:
                self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
                opened.callback(self._db.close)
                self._db.row_factory = sqlite3.Row
                self._db.text_factory = _text
                # Without it SQLite cannot start on a full disk.
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._migrate(file)
            except sqlite3.Error as error:
                raise OSError(f"{file}: {error}") from error
            opened.pop_all()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _migrate(self, file: Path) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(VERSIONS):
            raise ValueError(f"{file} is of version {version}; expected {len(VERSIONS)} or less")
        if version == len(VERSIONS):
            return  # without writing: the disk may be full
        steps = "".join(VERSIONS[version:])
        self._db.executescript(f"BEGIN; {steps} PRAGMA user_version = {len(VERSIONS)}; COMMIT;")

    def _one(self, query: str, values: Any) -> Record | None:
        found = self._all(query, values)
        return found[0] if found else None

    def _all(self, query: str, values: Any = ()) -> list[Record]:
        with self._using():
            rows = self._db.execute(query, values).fetchall()
            return [record for row in rows if (record := self._read(row)) is not None]

    def _change(self, query: str, *values: Any) -> bool:
        with self._using():
            return self._db.execute(query, values).rowcount > 0

    def _read(self, row: sqlite3.Row) -> Record | None:
        """Return a row's record; one that cannot be read is set aside, and its files stay."""
        try:
            return from_row(row)
        except Exception as error:  # noqa: BLE001 - a damaged record may raise anything
            text = "job %r: its record cannot be read and is set aside: %r"
            logger.error(text, row["id"], error)  # noqa: TRY400 - the message is enough
            change = "UPDATE jobs SET state = ?, idempotency_key = NULL, webhook_state = NULL WHERE id = ?"
            self._db.execute(change, (UNREADABLE, row["id"]))
            return None

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock, trouble_means_retry():
            yield


def _text(content: bytes) -> str:
    """Decode a text column, even a damaged one: one record must not hide the others."""
    return content.decode(errors="replace")
