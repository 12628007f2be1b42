"""Where the jobs of an edge are kept, as its settings say."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gateway.jobs.files import Files
from gateway.jobs.folder_files import FolderFiles
from gateway.jobs.sqlite import SqliteDatabase
from gateway.jobs.store import Store
from gateway.settings import GatewaySettings


@contextlib.contextmanager
def open_places(settings: GatewaySettings) -> Iterator[tuple[Store, Files]]:
    """Open the records and the files: in `jobs_dir`, or where `jobs_url` and `jobs_files` say.

    Raises:
        OSError: they cannot be used.
        ValueError: they are in use, of a later version or of a kind that is not known, or the extra `jobs` is missing.
    """
    with contextlib.ExitStack() as opened:
        files = opened.enter_context(contextlib.closing(_files(settings, opened)))
        store = opened.enter_context(contextlib.closing(_store(settings)))
        yield store, files


def _store(settings: GatewaySettings) -> Store:
    if not settings.jobs_url:
        assert settings.jobs_dir is not None
        return Store(SqliteDatabase(settings.jobs_dir / "jobs.sqlite"))
    try:
        from gateway.jobs.postgres import PostgresDatabase  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise ValueError(f"--jobs-url needs the extra photorestore[jobs]: {error}") from error
    return Store(PostgresDatabase(settings.jobs_url))


def _files(settings: GatewaySettings, opened: contextlib.ExitStack) -> Files:
    if not settings.jobs_files:
        assert settings.jobs_dir is not None
        return FolderFiles(settings.jobs_dir)
    if "://" not in settings.jobs_files:
        return FolderFiles(Path(settings.jobs_files), is_shared=True)
    try:
        from gateway.jobs.object_files import ObjectFiles  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise ValueError(f"--jobs-files needs the extra photorestore[jobs]: {error}") from error
    folder = settings.jobs_dir or Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="jobs-")))
    return ObjectFiles(settings.jobs_files, FolderFiles(folder))
