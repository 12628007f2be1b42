"""Records in a file of SQLite, of one edge alone. Each change is on disk before anybody is told of it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from gateway.jobs.database import Connection
from gateway.jobs.disk_trouble import trouble_means_retry

JOBS = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    work TEXT NOT NULL,
    upload_bytes INTEGER NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    expires REAL,
    due REAL NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    result_bytes INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    webhook_url TEXT,
    webhook_state TEXT,
    webhook_tries INTEGER NOT NULL DEFAULT 0,
    webhook_due REAL NOT NULL DEFAULT 0,
    webhook_error TEXT NOT NULL DEFAULT '',
    UNIQUE (owner, idempotency_key)
);
CREATE INDEX jobs_by_state ON jobs (state, created);
CREATE INDEX webhooks_to_send ON jobs (webhook_due) WHERE webhook_state = 'pending';
"""
LATEST_BEGUN = """
CREATE TABLE turns (owner TEXT PRIMARY KEY, turn INTEGER NOT NULL);
CREATE TRIGGER begun AFTER UPDATE OF state ON jobs WHEN new.state = 'running' BEGIN
    INSERT OR REPLACE INTO turns VALUES (new.owner, (SELECT coalesce(max(turn), 0) + 1 FROM turns));
END;
"""
"""For each owner, when a job of theirs was last begun, as a running number over all owners' jobs."""
HELD = """
ALTER TABLE jobs ADD COLUMN pixels INTEGER;
ALTER TABLE jobs ADD COLUMN holder TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN held REAL NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN progress TEXT;
UPDATE jobs SET pixels = CASE WHEN json_valid(work) THEN json_extract(work, '$.pixels') END;
CREATE INDEX jobs_by_owner ON jobs (owner, created, id);
"""
"""Who is at work on a job, and what other edges tell of it."""
VERSIONS = (JOBS, LATEST_BEGUN, HELD)
"""What each version of the schema adds; SQLite's `user_version` says how many of them a file has."""


class SqliteDatabase:
    """A file that only this process uses.

    Raises:
        OSError: the file cannot be used.
        ValueError: a later version of the service has written it.
    """

    is_shared = False

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

    @contextlib.contextmanager
    def using(self, *, alone: bool = False) -> Iterator[Connection]:  # noqa: ARG002 - who is here is always alone
        """Give the connection, as `Database` says."""
        with self._lock, trouble_means_retry():
            yield self._db

    def _migrate(self, file: Path) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(VERSIONS):
            raise ValueError(f"{file} is of version {version}; expected {len(VERSIONS)} or less")
        if version == len(VERSIONS):
            return  # without writing: the disk may be full
        steps = "".join(VERSIONS[version:])
        self._db.executescript(f"BEGIN; {steps} PRAGMA user_version = {len(VERSIONS)}; COMMIT;")


def _text(content: bytes) -> str:
    """Decode a text column, even a damaged one: one record must not hide the others."""
    return content.decode(errors="replace")
