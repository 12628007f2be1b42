"""A cache of results by the key of their run, in a folder; the least recently used are deleted first."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

from gateway.restore.result_files import SUFFIX, read_result, write_result
from gateway.restore.results import Result

logger = logging.getLogger(__name__)


class ResultCache:
    """A folder of results, limited in bytes. Blocking: to be called in threads."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._limit_bytes = limit_bytes

    def get(self, key: str) -> Result | None:
        """Return the result of a key, or None if it is not kept. An incomplete file is deleted."""
        file = self._file(key)
        try:
            result = read_result(file)
        except OSError as error:
            logger.warning("the kept result %s cannot be read: %s", file.name, error)
            return None
        if result is not None:
            with contextlib.suppress(OSError):
                os.utime(file)
        return result

    def put(self, key: str, result: Result) -> None:
        """Keep a result. On a full or failing disk it is only logged that it is not kept."""
        try:
            write_result(self._file(key), result)
            self._forget()
        except OSError as error:
            logger.warning("the result %s is not kept: %s", key, error)

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"

    def _forget(self) -> None:
        """Delete the least recently used results until the rest fits."""
        kept: list[tuple[float, int, Path]] = []
        for file in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                status = file.stat()
                kept.append((status.st_mtime, status.st_size, file))
        total = sum(size for _, size, _ in kept)
        for _, size, file in sorted(kept):
            if total <= self._limit_bytes:
                return
            file.unlink(missing_ok=True)
            total -= size
