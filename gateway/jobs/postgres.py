"""Records in PostgreSQL, which several edges share. Needs the extra `jobs`."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import time
from collections.abc import Iterator

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from gateway.errors import JobsUnavailable
from gateway.jobs.database import Connection, Cursor, Values
from photorestore.errors import OutOfSpace

logger = logging.getLogger(__name__)

JOBS = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    work TEXT NOT NULL,
    upload_bytes BIGINT NOT NULL,
    pixels BIGINT,
    state TEXT NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    started DOUBLE PRECISION,
    ended DOUBLE PRECISION,
    expires DOUBLE PRECISION,
    due DOUBLE PRECISION NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    holder TEXT NOT NULL DEFAULT '',
    held DOUBLE PRECISION NOT NULL DEFAULT 0,
    progress TEXT,
    outcome TEXT,
    result_bytes BIGINT NOT NULL DEFAULT 0,
    problem TEXT,
    webhook_url TEXT,
    webhook_state TEXT,
    webhook_tries INTEGER NOT NULL DEFAULT 0,
    webhook_due DOUBLE PRECISION NOT NULL DEFAULT 0,
    webhook_error TEXT NOT NULL DEFAULT '',
    UNIQUE (owner, idempotency_key)
);
CREATE INDEX jobs_by_state ON jobs (state, created);
CREATE INDEX jobs_by_owner ON jobs (owner, created, id);
CREATE INDEX webhooks_to_send ON jobs (webhook_due) WHERE webhook_state = 'pending';
CREATE TABLE turns (owner TEXT PRIMARY KEY, turn BIGINT NOT NULL);
CREATE SEQUENCE latest_turn;
CREATE FUNCTION note_turn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO turns VALUES (new.owner, nextval('latest_turn'))
    ON CONFLICT (owner) DO UPDATE SET turn = excluded.turn;
    RETURN NULL;
END $$;
CREATE TRIGGER begun AFTER UPDATE OF state ON jobs
FOR EACH ROW WHEN (new.state = 'running') EXECUTE FUNCTION note_turn();
"""
VERSIONS = (JOBS,)
"""What each version of the schema adds; the table `jobs_schema` says how many of them a database has."""
LONGEST_WAIT_S = 2.0
"""Wait for a connection. Afterwards nobody waits for as long again, so that no thread is held up that others need."""
_SETTINGS: dict[str, str | int | None] = {
    "application_name": "photorestore",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "tcp_user_timeout": 5_000,  # milliseconds until a server that is gone is given up
    "prepare_threshold": None,  # what is prepared gets lost behind poolers of connections
}
_ADD, _MIGRATE = 7204_0001, 7204_0002
"""Numbers of advisory locks."""


class PostgresDatabase:
    """A database that edges share. It need not be there at the start, and may go away for a while.

    Args:
        url: `postgresql://...`; the password may also come from where libpq looks for it.

    Raises:
        ValueError: the URL cannot be read. It is not shown, for it may hold a password.
    """

    is_shared = True

    def __init__(self, url: str) -> None:
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise ValueError("the URL of the jobs' database cannot be read") from None
        self._is_current = False
        self._away_until = float("-inf")
        self._pool = ConnectionPool(
            url,
            connection_class=psycopg.Connection[DictRow],
            kwargs={**_SETTINGS, "row_factory": dict_row},
            min_size=1,
            max_size=8,
            timeout=LONGEST_WAIT_S,
            check=ConnectionPool.check_connection,
            open=True,
            name="jobs",
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    @contextlib.contextmanager
    def using(self, *, alone: bool = False) -> Iterator[Connection]:
        """Give a connection with a transaction of its own, as `Database` says."""
        if time.monotonic() < self._away_until:
            raise _away()
        try:
            with self._pool.connection() as db:
                if not self._is_current:
                    self._migrate(db)
                if alone:
                    _lock(db, _ADD)
                yield _Translated(db)
        except psycopg.errors.DiskFull as error:
            raise OutOfSpace("the disk of the jobs' database is full; try again later") from error
        except PoolTimeout as error:
            self._away_until = time.monotonic() + LONGEST_WAIT_S
            raise _away() from error
        except (
            psycopg.OperationalError,
            psycopg.InterfaceError,
            psycopg.errors.ReadOnlySqlTransaction,
        ) as error:
            logger.warning("the jobs' database: %s", error)
            if error.sqlstate is None:  # it does not answer any more
                self._away_until = time.monotonic() + LONGEST_WAIT_S
            raise _away() from error

    def _migrate(self, db: psycopg.Connection[DictRow]) -> None:
        """Bring the schema up to date, unless another edge has done it."""
        _lock(db, _MIGRATE)
        db.execute("CREATE TABLE IF NOT EXISTS jobs_schema (version INTEGER NOT NULL)")
        (found,) = db.execute("SELECT coalesce(max(version), 0) AS version FROM jobs_schema").fetchall()
        if found["version"] > len(VERSIONS):
            logger.error("the jobs' database is of version %d; expected %d", found["version"], len(VERSIONS))
            raise _away()
        for number, step in enumerate(VERSIONS[found["version"] :], found["version"] + 1):
            db.execute(step)
            db.execute("INSERT INTO jobs_schema VALUES (%s)", (number,))
        db.commit()
        self._is_current = True


class _Translated:
    """A connection that takes `:name` where psycopg has `%(name)s`."""

    def __init__(self, db: psycopg.Connection[DictRow]) -> None:
        self._db = db

    def execute(self, query: str, values: Values, /) -> Cursor:
        """Run one query."""
        return self._db.execute(_translate(query), values)


@functools.cache
def _translate(query: str) -> bytes:
    return re.sub(r":(\w+)", r"%(\1)s", query).encode()


def _lock(db: psycopg.Connection[DictRow], number: int) -> None:
    """Wait for the lock of this number, which is released at the transaction's end."""
    db.execute("SELECT pg_advisory_xact_lock(%s)", (number,))


def _away() -> JobsUnavailable:
    return JobsUnavailable("the jobs' database cannot be reached or written; try again later")
