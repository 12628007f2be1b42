"""Uploads of jobs that wait, and results of jobs that succeeded, on disk. Blocking: call it in threads."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.cache import SUFFIX, Result, read_result, write_result
from gateway.uploads import FILES
from photorestore.errors import BrokenArtifact, OutOfSpace
from photorestore.options import Options
from photorestore.workspace import Workspace


class JobFiles:
    """One folder, which is this process's alone.

    Attributes:
        records: the file of the records.

    Raises:
        OSError: the folder cannot be used.
        ValueError: another process uses it.
    """

    def __init__(self, folder: Path) -> None:
        self._uploads = folder / "uploads"
        self._results = folder / "results"
        for part in (folder, self._uploads, self._results):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.records = folder / "jobs.sqlite"
        self._lock = _lock(folder / "lock")

    def close(self) -> None:
        """Leave the folder to others."""
        self._lock.close()

    def new_upload(self, options: Options, request_id: str) -> Workspace:
        """A folder for an upload, as a workspace that lies on disk.

        Raises:
            OutOfSpace: the disk is full.
        """
        with full_means_retry():
            return Workspace.create(self._uploads, options, request_id=request_id)

    def secure(self, upload: Workspace) -> int:
        """Let an upload survive the machine's sudden end; gives its bytes.

        Raises:
            OutOfSpace: the disk is full.
        """
        files = [file for file in map(upload.path, FILES.values()) if file.exists()]
        with full_means_retry():
            for path in (*files, upload.directory, self._uploads):
                _sync(path)
        return sum(file.stat().st_size for file in files)

    def lay_out(self, upload: str, workspace: Workspace) -> None:
        """Copy an upload to where it is restored.

        Raises:
            BrokenArtifact: it is gone.
            OutOfSpace: shared memory is full.
        """
        for name in FILES.values():
            file = self._uploads / upload / name
            if file.exists():
                workspace.write_file(name, file.read_bytes())
        if not workspace.path(FILES["image"]).exists():
            raise BrokenArtifact(f"the upload {upload} is gone")

    def drop_upload(self, upload: str) -> None:
        """Delete an upload."""
        shutil.rmtree(self._uploads / upload, ignore_errors=True)

    def keep(self, job_id: str, result: Result) -> int:
        """Keep a result; gives the bytes of its file.

        Raises:
            OutOfSpace: the disk is full.
        """
        file = self._result(job_id)
        with full_means_retry():
            write_result(file, result)
            _sync(file)
            _sync(self._results)
        return file.stat().st_size

    def result(self, job_id: str) -> Result | None:
        """A result, if it is kept."""
        return read_result(self._result(job_id))

    def drop_result(self, job_id: str) -> None:
        """Delete a result."""
        self._result(job_id).unlink(missing_ok=True)

    def drop_others(self, jobs: Collection[str], uploads: Collection[str]) -> None:
        """Delete results of other jobs, and other uploads: a process that ended suddenly may have left them."""
        for folder in self._uploads.iterdir():
            if folder.name not in uploads:
                shutil.rmtree(folder, ignore_errors=True)
        for file in self._results.iterdir():
            if file.name.removesuffix(SUFFIX) not in jobs:
                file.unlink()

    def _result(self, job_id: str) -> Path:
        return self._results / f"{job_id}{SUFFIX}"


@contextlib.contextmanager
def full_means_retry() -> Iterator[None]:
    """What a full disk means.

    Raises:
        OutOfSpace: it is full.
    """
    try:
        yield
    except OutOfSpace as error:
        raise OutOfSpace("the disk of the jobs is full; try again later") from error
    except (OSError, sqlite3.OperationalError) as error:
        if not _is_full(error):
            raise
        raise OutOfSpace("the disk of the jobs is full; try again later") from error


def _is_full(error: OSError | sqlite3.OperationalError) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return error.sqlite_errorcode == sqlite3.SQLITE_FULL


def _lock(path: Path) -> BinaryIO:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ValueError(f"{path.parent} is in use by another process") from error
    return file


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
