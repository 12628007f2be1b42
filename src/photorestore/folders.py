"""Make folders for pictures private, and delete them without following links, where others may write.

No torch here: the REST edge imports this module.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_private(folder: Path) -> None:
    """Create a folder of mode 0700, with its parents, or check that it is ours alone.

    Everybody may write to `/dev/shm`, so another user may have made the folder first.

    Raises:
        PermissionError: it is a link, or no folder, or others own it or may write to it.
        OSError: it cannot be made.
    """
    try:
        found = folder.lstat()
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise PermissionError(
            f"{folder} is to hold pictures in work; expected a folder, got a link or a file"
        )
    if found.st_uid != os.geteuid() or found.st_mode & OTHERS_MAY_WRITE:
        raise PermissionError(
            f"{folder} is to hold pictures in work; expected a folder that only user {os.geteuid()} may write to, "
            f"got one of user {found.st_uid} with mode {stat.S_IMODE(found.st_mode):04o}"
        )


def delete(directory: Path) -> None:
    """Delete a flat folder of ours, as far as that is possible; links are unlinked, never followed.

    `rmtree`, which takes twice as long, is called only if the folder is not flat.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        _unlink(directory)
        return
    try:
        for name in os.listdir(descriptor):  # noqa: PTH208 - by the descriptor
            os.unlink(name, dir_fd=descriptor)
        directory.rmdir()
    except OSError:
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(descriptor)


def _unlink(entry: Path) -> None:
    """Delete a link or a file."""
    try:
        entry.unlink()
    except OSError:
        return
