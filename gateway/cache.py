"""Results in files; and a folder of them by the key of their run, where the longest unused go first."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.stored import PIECE_BYTES, Content, File, content_of, piece
from photorestore.records import document_of, read_record
from photorestore.report import Report

logger = logging.getLogger(__name__)

SUFFIX = ".result"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave.

    Attributes:
        picture: the restored picture's file.
        content_type: its media type.
        report: what was found and done.
        mask: PNG of what was filled, white; None where nobody asked for it.
    """

    picture: Content
    content_type: str
    report: Report
    mask: Content | None = None


def read_result(file: Path) -> Result | None:
    """The result in a file. One that is not whole is deleted.

    Raises:
        OSError: it cannot be read now, which says nothing of what it holds.
    """
    try:
        with file.open("rb") as stored:
            line, opened = stored.readline(), File(stored)
        head = json.loads(line)
        sizes = [head["picture"], head["mask"] or 0]
        if opened.length != len(line) + sum(sizes):
            raise ValueError("it is not whole")
        picture = content_of(opened, len(line), sizes[0], in_memory=False)
        has_mask, start = head["mask"] is not None, len(line) + sizes[0]
        mask = content_of(opened, start, sizes[1], in_memory=False) if has_mask else None
        return Result(picture, head["content_type"], read_record(Report, head["report"]), mask)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("the kept result %s cannot be read: %s", file.name, error)
        file.unlink(missing_ok=True)
        return None


def write_result(file: Path, result: Result) -> None:
    """Put a result into a file, as a whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    head = {
        "content_type": result.content_type,
        "report": document_of(result.report),
        "picture": len(result.picture),
        "mask": None if result.mask is None else len(result.mask),
    }
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("wb") as part:
            part.write(json.dumps(head).encode() + b"\n")
            _copy(result.picture, part)
            _copy(result.mask or b"", part)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(content: Content, target: BinaryIO) -> None:
    target.writelines(piece(content, start) for start in range(0, len(content), PIECE_BYTES))


class ResultCache:
    """A folder of results, bounded in bytes. Blocking: call it in a thread."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._limit_bytes = limit_bytes

    def get(self, key: str) -> Result | None:
        """The result of a key, if it is kept. A file that is not whole is deleted."""
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
        """Keep a result. Never raises over a full disk: a cache may forget."""
        try:
            write_result(self._file(key), result)
            self._forget()
        except OSError as error:
            logger.warning("the result %s is not kept: %s", key, error)

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"

    def _forget(self) -> None:
        """Delete what was not used for the longest time until the rest fits."""
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
