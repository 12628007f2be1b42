"""Uploads and results of jobs in an object store: S3, Google's, Azure's. Needs the extra `jobs`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from obstore.exceptions import BaseError

from gateway.errors import JobsUnavailable
from gateway.jobs.disk_trouble import trouble_means_retry
from gateway.jobs.files import ORPHAN_S
from gateway.jobs.folder_files import FolderFiles
from gateway.jobs.object_store import first_line, lacks_bucket, open_store
from gateway.restore.parts import FILES
from gateway.restore.result_files import SUFFIX, read_result, write_result
from gateway.restore.results import Result
from photorestore.directories import token_of
from photorestore.errors import BrokenArtifact
from photorestore.options import Options
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20


class ObjectFiles:
    """Keys below a URL, as `Files` says: `uploads/UPLOAD/FILE` and `results/NAME.result`.

    Args:
        url: as `s3://bucket/prefix`.
        spool: a folder of this edge alone, for what is on its way.

    Raises:
        ValueError: the URL is of no store that is known.
    """

    is_shared = True

    def __init__(self, url: str, spool: FolderFiles) -> None:
        self._spool = spool
        try:
            self._store = open_store(url)
        except ValueError as error:
            raise ValueError(f"the store of the jobs' files: {error}") from None
        spool.drop_others((), ())

    def close(self) -> None:
        """Release the spool to other processes."""
        self._spool.close()

    def find_problem(self) -> str:
        """Return why nothing can be written now; empty when it can."""
        try:
            with _trouble_means_retry():
                list(self._store.list("probe"))
        except JobsUnavailable as error:
            return str(error)
        return self._spool.find_problem()

    def new_upload(self, options: Options, request_id: str) -> Workspace:
        """Create a folder for an upload in the spool."""
        return self._spool.new_upload(options, request_id)

    def secure(self, upload: Workspace) -> int:
        """Put an upload into the store and delete it from the spool; return its size in bytes."""
        files = [file for file in map(upload.path, FILES.values()) if file.exists()]
        size = sum(file.stat().st_size for file in files)
        for file in files:
            with _trouble_means_retry():
                self._store.put(_upload_key(upload.envelope.workspace_id, file.name), file)
        upload.remove()
        return size

    def lay_out(self, upload: str, workspace: Workspace) -> None:
        """Copy an upload into the workspace where it will be restored."""
        for name in FILES.values():
            with contextlib.suppress(FileNotFoundError):
                with _trouble_means_retry():
                    content = self._store.get(_upload_key(upload, name)).bytes().to_bytes()
                workspace.write_file(name, content)
        if not workspace.path(FILES["image"]).exists():
            raise BrokenArtifact(f"the upload {upload} is gone")

    def drop_upload(self, upload: str) -> None:
        """Delete an upload."""
        self._drop(*(_upload_key(upload, name) for name in FILES.values()))

    def keep(self, name: str, result: Result) -> int:
        """Keep a result; return the size of its file in bytes."""
        with self._spool.temporary() as file:
            with trouble_means_retry():
                write_result(file, result)
            with _trouble_means_retry():
                self._store.put(_result_key(name), file)
            return file.stat().st_size

    def result(self, name: str) -> Result | None:
        """Return a result, or None if it is not kept."""
        with self._spool.temporary() as file, trouble_means_retry():
            try:
                with _trouble_means_retry():
                    found = self._store.get(_result_key(name)).stream(min_chunk_size=PIECE_BYTES)
                    with file.open("wb") as copy:
                        copy.writelines(found)
            except FileNotFoundError:
                return None
            return read_result(file)

    def drop_result(self, name: str) -> None:
        """Delete a result."""
        self._drop(_result_key(name))

    def drop_others(self, jobs: Collection[str], waiting: Collection[str]) -> None:
        """Delete what crashed edges have left."""
        oldest = datetime.now(UTC) - timedelta(seconds=ORPHAN_S)
        with _trouble_means_retry():
            for part, known in (("uploads", waiting), ("results", jobs)):
                for page in self._store.list(part):
                    left = [
                        found["path"]
                        for found in page
                        if found["last_modified"] < oldest and _job_of(found["path"]) not in known
                    ]
                    if left:
                        self._store.delete(left)

    def _drop(self, *keys: str) -> None:
        try:
            with _trouble_means_retry(), contextlib.suppress(FileNotFoundError):
                self._store.delete(keys)
        except JobsUnavailable:
            logger.warning("%s cannot be deleted now", keys[0])


def _upload_key(upload: str, name: str) -> str:
    return f"uploads/{upload}/{name}"


def _result_key(name: str) -> str:
    return f"results/{name}{SUFFIX}"


def _job_of(key: str) -> str:
    """Return the id of the job that a key belongs to."""
    part, name = key.split("/")[:2]
    return token_of(name) if part == "uploads" else name.partition(".")[0]


@contextlib.contextmanager
def _trouble_means_retry() -> Iterator[None]:
    """Turn errors of the store into those that tell callers to try again later.

    Raises:
        FileNotFoundError: there is no such key.
        JobsUnavailable: the store fails, or there is no such bucket.
    """
    try:
        yield
    except FileNotFoundError as error:
        if not lacks_bucket(error):
            raise
        raise _failing(error) from None
    except BaseError as error:
        raise _failing(error) from None


def _failing(error: Exception) -> JobsUnavailable:
    logger.warning("the store of the jobs' files: %s", first_line(error))
    return JobsUnavailable("the store of the jobs' files cannot be reached or written; try again later")
