"""The ledger of a folder of results: an SQLite file in the folder with an entry for each result.

A result is written in three steps: a complete file under a temporary name, an entry with both names, a rename. If the
process is killed before the entry, the picture is restored again by the next run; if after it, `recover` does the
rename. So each entry stands for one complete file, whenever the process dies.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from photorestore_client.closing import Closing
from photorestore_client.results import write_durably

NAME = ".photorestore.sqlite"
PART_PREFIX, PART_SUFFIX = ".photorestore-", ".part"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    path BLOB PRIMARY KEY,      -- below the folder
    content TEXT NOT NULL,      -- SHA-256 of the source
    options TEXT NOT NULL,      -- as canonical JSON
    size_bytes INTEGER NOT NULL,
    part BLOB NOT NULL,         -- name of the complete file before it was renamed
    request_id TEXT NOT NULL,
    restored_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS results_by_key ON results (content, options);
"""
_COLUMNS = "path, content, options, size_bytes, part, request_id"


class LedgerError(Exception):
    """The ledger is in use by another process, or cannot be read."""


class CannotWriteError(Exception):
    """A result cannot be written to the folder, because it is full or read-only."""


@dataclass(frozen=True, slots=True)
class Key:
    """What makes two restorations the same.

    Attributes:
        content: SHA-256 of the source.
        options: canonical JSON.
    """

    content: str
    options: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The entry of a result.

    Attributes:
        path: its path below the folder.
        key: what it was made of.
        size_bytes: the size of its file.
        part: the name of the file before it was renamed.
        request_id: finds the request in the service's log.
    """

    path: Path
    key: Key
    size_bytes: int
    part: str
    request_id: str


class Ledger(Closing):
    """The ledger of one folder, held by one process at a time. Thread-safe.

    Args:
        folder: where results are written; created if it is missing.
        read_only: only read the ledger; the folder may be missing.

    Raises:
        LedgerError: another process holds the ledger, or its file is broken.
        CannotWriteError: the folder cannot be created.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        file = folder / NAME
        if not read_only:
            _make(folder)
        name = ":memory:" if read_only and not file.exists() else str(file)
        try:
            self._connection = sqlite3.connect(
                name, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("BEGIN EXCLUSIVE")  # the lock is kept until the process ends
            self._connection.execute("COMMIT")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise LedgerError(f"{file}: {error}") from error

    def recover(self) -> None:
        """Finish what a killed process began: rename files that have an entry, delete those that have none.

        Raises:
            CannotWriteError: the folder cannot be written to.
            LedgerError: the file is broken.
        """
        try:
            self._recover()
        except OSError as error:
            raise CannotWriteError(str(error)) from error

    def at(self, path: Path) -> Entry | None:
        """Return the entry of a result by its path, or None if the file is missing or has another size.

        Raises:
            LedgerError: the ledger's file is broken.
        """
        entry = self._one("path = ?", os.fsencode(path))
        return entry if entry is not None and self._is_there(entry) else None

    def find(self, key: Key) -> Entry | None:
        """Return an entry of a key whose file is there and has its size, or None.

        Raises:
            LedgerError: the ledger's file is broken.
        """
        rows = self._rows("content = ? AND options = ?", key.content, key.options)
        return next(filter(self._is_there, map(_entry, rows)), None)

    def write(self, path: Path, key: Key, content: bytes, request_id: str) -> None:
        """Write a result and its entry. After a kill at any moment and `recover`, both exist or neither.

        Args:
            path: where, below the folder; a file there is replaced.
            key: what it was made of.
            content: the file's bytes.
            request_id: finds the request in the service's log.

        Raises:
            CannotWriteError: the folder cannot be written to.
        """
        target = self.folder / path
        part = target.with_name(f"{PART_PREFIX}{secrets.token_hex(8)}{PART_SUFFIX}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_durably(part, content)
            self._add(Entry(path, key, len(content), part.name, request_id))
            part.replace(target)
        except (OSError, sqlite3.Error) as error:
            raise CannotWriteError(f"{target}: {error}") from error

    def close(self) -> None:
        """Release the ledger to other processes."""
        self._connection.close()

    def _recover(self) -> None:
        for part in self.folder.rglob(f"{PART_PREFIX}*{PART_SUFFIX}"):
            entry = self._one("part = ?", os.fsencode(part.name))
            if entry is not None and (self.folder / entry.path).parent == part.parent:
                part.replace(self.folder / entry.path)
            else:
                part.unlink()

    def _add(self, entry: Entry) -> None:
        values = (
            os.fsencode(entry.path),
            entry.key.content,
            entry.key.options,
            entry.size_bytes,
            os.fsencode(entry.part),
            entry.request_id,
        )
        with self._lock:
            self._connection.execute(
                f"INSERT OR REPLACE INTO results ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
                values,
            )

    def _one(self, condition: str, *values: object) -> Entry | None:
        rows = self._rows(condition, *values)
        return _entry(rows[0]) if rows else None

    def _rows(self, condition: str, *values: object) -> list[tuple[bytes, str, str, int, bytes, str]]:
        try:
            with self._lock:
                return self._connection.execute(
                    f"SELECT {_COLUMNS} FROM results WHERE {condition} ORDER BY path",  # noqa: S608
                    values,
                ).fetchall()
        except sqlite3.Error as error:  # a part of the file that is read only now
            raise LedgerError(f"{self.folder / NAME}: {error}") from error

    def _is_there(self, entry: Entry) -> bool:
        try:
            return (self.folder / entry.path).stat().st_size == entry.size_bytes
        except FileNotFoundError:
            return False


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWriteError(str(error)) from error


def _entry(row: tuple[bytes, str, str, int, bytes, str]) -> Entry:
    path, content, options, size_bytes, part, request_id = row
    return Entry(Path(os.fsdecode(path)), Key(content, options), size_bytes, os.fsdecode(part), request_id)
