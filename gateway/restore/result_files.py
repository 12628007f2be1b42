"""Files of results: a first line of JSON that describes the result, then the picture and the masks."""

from __future__ import annotations

import json
import logging
import secrets
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from gateway.restore.content import PIECE_BYTES, Content, File, content_of, piece
from gateway.restore.results import Result
from gateway.restore.returns import MASKS
from photorestore.records import document_of, read_record
from photorestore.report import Report

logger = logging.getLogger(__name__)

SUFFIX = ".result"


def read_result(file: Path) -> Result | None:
    """Return the result in a file, or None if there is none. An incomplete file is deleted.

    Raises:
        OSError: the file cannot be read now, though it may be intact.
    """
    try:
        with file.open("rb") as stored:
            line, opened = stored.readline(), File(stored)
        head = json.loads(line)
        sizes = [head["picture"], *(head.get(name) for name in MASKS)]
        starts = list(accumulate((size or 0 for size in sizes), initial=len(line)))
        if opened.length != starts.pop():
            raise ValueError("it is not whole")
        picture, *masks = (
            None if size is None else content_of(opened, start, size, in_memory=False)
            for start, size in zip(starts, sizes, strict=True)
        )
        if picture is None:
            raise ValueError("it has no picture")
        return Result(picture, head["content_type"], read_record(Report, head["report"]), *masks)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("the kept result %s cannot be read: %s", file.name, error)
        file.unlink(missing_ok=True)
        return None


def write_result(file: Path, result: Result) -> None:
    """Write a result to a file, completely or not at all.

    Raises:
        OSError: it cannot be written.
    """
    head = {
        "content_type": result.content_type,
        "report": document_of(result.report),
        "picture": len(result.picture),
        "mask": None if result.mask is None else len(result.mask),
    }
    if result.confidence is not None:  # earlier versions know no such member
        head["confidence"] = len(result.confidence)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("wb") as part:
            part.write(json.dumps(head).encode() + b"\n")
            _copy(result.picture, part)
            _copy(result.mask or b"", part)
            _copy(result.confidence or b"", part)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(content: Content, target: BinaryIO) -> None:
    target.writelines(piece(content, start) for start in range(0, len(content), PIECE_BYTES))
