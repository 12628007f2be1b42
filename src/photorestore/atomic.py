"""Write files that are there as a whole or not at all, in shared memory that may be full. No torch here.

A file is written under a temporary name and renamed when it is complete. Room is reserved before pixels are written,
because writing into a mapping on a full tmpfs kills the process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photorestore.errors import OutOfSpace


@contextlib.contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield the path of a file to write, which becomes `file` when the block ends without an error.

    With an error nothing is left behind.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        yield temporary
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def full_means_retry() -> Iterator[None]:
    """Turn the errors of a full file system, raised in the block, into `OutOfSpace`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM):
            raise
        raise OutOfSpace("shared memory is full; try again later") from error


def map_new_array(file: Path, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Create a `.npy` file with all its blocks reserved, and map it.

    Raises:
        OSError: there is no room for it.
    """
    mapping = np.lib.format.open_memmap(file, mode="w+", dtype=np.dtype(dtype), shape=shape)
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
    return mapping
