"""Trouble with the jobs' folder: full, read-only or failing. Callers are told to try again; records are retried."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import sqlite3
from collections.abc import Callable, Iterator

from gateway.errors import JobsUnavailable
from photorestore.errors import OutOfSpace

logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
"""Wait before a change of a record is tried again; it doubles with each try."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FAILING = frozenset(
    {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO}
)
_DATABASE_FAILING = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CORRUPT,
    }
)
_PRIMARY = 0xFF
"""Bits of SQLite's codes that hold the kind of error; details are in the bits above."""


@contextlib.contextmanager
def trouble_means_retry() -> Iterator[None]:
    """Turn errors of the jobs' folder into those that tell callers to try again later.

    Raises:
        OutOfSpace: the disk is full.
        JobsUnavailable: it is read-only or failing.
    """
    try:
        yield
    except OutOfSpace as error:
        raise _full() from error
    except OSError as error:
        if error.errno in _FULL:
            raise _full() from error
        if error.errno in _FAILING:
            raise _failing(error) from error
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
        if code == sqlite3.SQLITE_FULL:
            raise _full() from error
        if code in _DATABASE_FAILING:
            raise _failing(error) from error
        raise


async def entered(job_id: str, entry: Callable[[], bool]) -> bool:
    """Run `entry`, which changes a record, in a thread until the jobs' folder takes it; return its value.

    A try that has begun is finished even if the task that waits for it is cancelled.
    """
    wait_s = FIRST_WAIT_S
    while True:
        try:
            return await asyncio.shield(asyncio.to_thread(entry))
        except (OutOfSpace, JobsUnavailable) as error:
            logger.warning("job %s: an entry is tried again in %g s: %s", job_id, wait_s, error)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _full() -> OutOfSpace:
    return OutOfSpace("the disk of the jobs is full; try again later")


def _failing(error: Exception) -> JobsUnavailable:
    logger.warning("the folder of the jobs: %s", error)
    return JobsUnavailable("the folder of the jobs cannot be written or read; try again later")
