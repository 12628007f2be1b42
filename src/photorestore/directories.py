"""Say where the directories of requests lie, name them, and tell whether a request is done.

A name is `<deadline>-<token>`: seconds of the monotonic clock, which all processes of a machine share and nobody sets,
and 128 random bits. No torch here: the REST edge imports this module.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from pathlib import Path

DONE = "done"
"""Name of an empty file whose time, by the monotonic clock, says since when the request is done."""
_NAME = re.compile(r"\d{10}-[0-9a-f]{32}")


def default_root() -> Path:
    """Return `/dev/shm/photorestore`, or a folder of the temp dir where there is no shared memory."""
    shared = Path("/dev/shm")  # noqa: S108 - the decision of this module
    base = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
    return base / "photorestore"


def new_name(deadline: float) -> str:
    """Return a name that nobody can guess."""
    return f"{int(deadline):010d}-{secrets.token_hex(16)}"


def is_name(name: str) -> bool:
    """Return whether a directory of this name may be a request's."""
    return _NAME.fullmatch(name) is not None


def deadline_of(name: str) -> int:
    """Return the deadline in a directory's name, in whole seconds."""
    return int(name.partition("-")[0])


def token_of(name: str) -> str:
    """Return the random part of a name; empty where there is none."""
    return name.partition("-")[2]


def mark_done(directory: Path) -> None:
    """Note that the request is done since now."""
    note = directory / DONE
    note.touch()
    os.utime(note, 2 * (time.monotonic(),))


def done_since(directory: Path) -> float | None:
    """Return since when the request is done, by the monotonic clock; None while it is not."""
    try:
        return (directory / DONE).lstat().st_mtime
    except FileNotFoundError:
        return None
