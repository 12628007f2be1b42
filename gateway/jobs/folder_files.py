"""Uploads and results of jobs in a folder: of one edge alone, or of several that share it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.jobs.disk_trouble import trouble_means_retry
from gateway.jobs.files import ORPHAN_S
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


class FolderFiles:
    """A folder, as `Files` says.

    Args:
        is_shared: whether other edges may use it, too.

    Raises:
        OSError: the folder cannot be used.
        ValueError: it is not shared, and another process uses it.
    """

    def __init__(self, folder: Path, *, is_shared: bool = False) -> None:
        self.is_shared = is_shared
        self._folder = folder
        self._uploads = folder / "uploads"
        self._results = folder / "results"
        for part in (folder, self._uploads, self._results):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = None if is_shared else _lock(folder / "lock")

    def close(self) -> None:
        """Release the folder to other processes."""
        if self._lock is not None:
            self._lock.close()

    def find_problem(self) -> str:
        """Return why nothing can be written now; empty when it can."""
        probe = self._folder / "probe"
        try:
            with trouble_means_retry():
                self._require_space()
                probe.write_bytes(b"0")
                probe.unlink(missing_ok=True)  # another edge may have been faster
        except (RestorationError, OSError) as error:
            return str(error)
        return ""

    def new_upload(self, options: Options, request_id: str) -> Workspace:
        """Create a folder for an upload, as a workspace that lies on disk."""
        with trouble_means_retry():
            self._require_space()
            return Workspace.create(self._uploads, options, request_id=request_id)

    def secure(self, upload: Workspace) -> int:
        """Flush an upload to the disk, so that it survives a crash of the machine; return its size in bytes."""
        files = [file for file in map(upload.path, FILES.values()) if file.exists()]
        with trouble_means_retry():
            for path in (*files, upload.directory, self._uploads):
                _sync(path)
        return sum(file.stat().st_size for file in files)

    def lay_out(self, upload: str, workspace: Workspace) -> None:
        """Copy an upload into the workspace where it will be restored."""
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

    def keep(self, name: str, result: Result) -> int:
        """Keep a result; return the size of its file in bytes."""
        file = self._result(name)
        with trouble_means_retry():
            write_result(file, result)
            _sync(file)
            _sync(self._results)
        return file.stat().st_size

    def result(self, name: str) -> Result | None:
        """Return a result, or None if it is not kept."""
        with trouble_means_retry():
            return read_result(self._result(name))

    def drop_result(self, name: str) -> None:
        """Delete a result."""
        _delete(self._result(name))

    def drop_others(self, jobs: Collection[str], waiting: Collection[str]) -> None:
        """Delete what crashed edges have left."""
        with trouble_means_retry():
            for folder in self._uploads.iterdir():
                if token_of(folder.name) not in waiting and self._is_left(folder):
                    shutil.rmtree(folder, ignore_errors=True)
            for file in self._results.iterdir():
                if file.name.partition(".")[0] not in jobs and self._is_left(file):
                    _delete(file)

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Path]:
        """Give the path of a file that is deleted at the end; what has opened it may read on."""
        file = self._results / f"temporary.{secrets.token_hex(8)}"
        try:
            yield file
        finally:
            _delete(file)

    def _is_left(self, path: Path) -> bool:
        """Return whether nobody can be about to enter a record of what lies there."""
        return not self.is_shared or path.stat().st_mtime < time.time() - ORPHAN_S

    def _require_space(self) -> None:
        if shutil.disk_usage(self._folder).free < RESERVE_BYTES:
            raise OutOfSpace("the reserve for records is all that is left")

    def _result(self, name: str) -> Path:
        return self._results / f"{name}{SUFFIX}"


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
