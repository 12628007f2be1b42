"""Results in files, each with what is to be known of it in its first line."""

from __future__ import annotations

import json
import logging
import secrets
from pathlib import Path
from typing import BinaryIO

from gateway.restore.content import PIECE_BYTES, Content, File, content_of, piece
from gateway.restore.results import Result
from photorestore.records import document_of, read_record
from photorestore.report import Report

logger = logging.getLogger(__name__)

SUFFIX = ".result"


def read_result(file: Path) -> Result | None:
    """Return the result in a file. One that is not whole is deleted.

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
