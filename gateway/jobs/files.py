"""Uploads of jobs that wait and results of jobs that succeeded, on disk. Blocking: to be called in threads."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from gateway.jobs.disk_trouble import trouble_means_retry
from gateway.restore.parts import FILES
from gateway.restore.result_files import SUFFIX, read_result, write_result
from gateway.restore.results import Result
from photorestore.directories import token_of
from photorestore.errors import BrokenArtifact, OutOfSpace, RestorationError
from photorestore.options import Options
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)

RESERVE_BYTES = 16 << 20
"""Disk space kept for records: no upload begins when less is free, so that jobs can still end and be deleted."""


class JobFiles:
    """The jobs' folder, which only this process uses.

    Attributes:
        records: the file of the records.

    Raises:
        OSError: the folder cannot be used.
        ValueError: another process uses it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploads = folder / "uploads"
        self._results = folder / "results"
        for part in (folder, self._uploads, self._results):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.records = folder / "jobs.sqlite"
        self._lock = _lock(folder / "lock")

    def close(self) -> None:
        """Release the folder to other processes."""
        self._lock.close()

    def find_problem(self) -> str:
        """Return why nothing can be written now; empty when it can."""
        probe = self._folder / "probe"
        try:
            with trouble_means_retry():
                self._require_space()
                probe.write_bytes(b"0")
                probe.unlink()
        except (RestorationError, OSError) as error:
            return str(error)
        return ""

    def new_upload(self, options: Options, request_id: str) -> Workspace:
        """Create a folder for an upload, as a workspace that lies on disk.

        Raises:
            OutOfSpace: the disk is full.
            JobsUnavailable: it is read-only or failing.
        """
        with trouble_means_retry():
            self._require_space()
            return Workspace.create(self._uploads, options, request_id=request_id)

    def secure(self, upload: Workspace) -> int:
        """Flush an upload to the disk, so that it survives a crash of the machine; return its size in bytes.

        Raises:
            OutOfSpace: the disk is full.
            JobsUnavailable: it is read-only or failing.
        """
        files = [file for file in map(upload.path, FILES.values()) if file.exists()]
        with trouble_means_retry():
            for path in (*files, upload.directory, self._uploads):
                _sync(path)
        return sum(file.stat().st_size for file in files)

    def lay_out(self, upload: str, workspace: Workspace) -> None:
        """Copy an upload into the workspace where it will be restored.

        Raises:
            BrokenArtifact: the upload is gone.
            OutOfSpace: shared memory is full.
            JobsUnavailable: the disk fails.
        """
        for name in FILES.values():
            with trouble_means_retry():
                file = self._uploads / upload / name
                content = file.read_bytes() if file.exists() else None
            if content is not None:
                workspace.write_file(name, content)
        if not workspace.path(FILES["image"]).exists():
            raise BrokenArtifact(f"the upload {upload} is gone")

    def drop_upload(self, upload: str) -> None:
        """Delete an upload."""
        shutil.rmtree(self._uploads / upload, ignore_errors=True)

    def keep(self, job_id: str, result: Result) -> int:
        """Keep a result; return the size of its file in bytes.

        Raises:
            OutOfSpace: the disk is full.
            JobsUnavailable: it is read-only or failing.
        """
        file = self._result(job_id)
        with trouble_means_retry():
            write_result(file, result)
            _sync(file)
            _sync(self._results)
        return file.stat().st_size

    def result(self, job_id: str) -> Result | None:
        """Return a job's result, or None if it is not kept.

        Raises:
            JobsUnavailable: the disk fails.
        """
        with trouble_means_retry():
            return read_result(self._result(job_id))

    def drop_result(self, job_id: str) -> None:
        """Delete a result; one that cannot be deleted now is deleted at the next start."""
        _delete(self._result(job_id))

    def drop_others(self, jobs: Collection[str], waiting: Collection[str]) -> None:
        """Delete files that a crashed process may have left.

        Args:
            jobs: ids of the jobs whose results are kept.
            waiting: ids of the jobs whose uploads are kept.

        Raises:
            JobsUnavailable: the disk is read-only or failing.
        """
        with trouble_means_retry():
            for folder in self._uploads.iterdir():
                if token_of(folder.name) not in waiting:
                    shutil.rmtree(folder, ignore_errors=True)
            for file in self._results.iterdir():
                if file.name.removesuffix(SUFFIX) not in jobs:
                    _delete(file)

    def _require_space(self) -> None:
        if shutil.disk_usage(self._folder).free < RESERVE_BYTES:
            raise OutOfSpace("the reserve for records is all that is left")

    def _result(self, job_id: str) -> Path:
        return self._results / f"{job_id}{SUFFIX}"


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("the result %s cannot be deleted: %s", file.name, error)


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
