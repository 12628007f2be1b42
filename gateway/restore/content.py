"""What results consist of: bytes, or a part of an open file, which is sent piece by piece and never held as a whole."""

from __future__ import annotations

import asyncio
import os
from typing import BinaryIO

PIECE_BYTES = 512 << 10
"""What is read and sent at a time; what is not longer is read at once."""


class File:
    """A file that stays open until nobody refers to it any more. It stays readable when its name is gone.

    Args:
        file: which may be closed then.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = os.dup(file.fileno())

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def length(self) -> int:
        """In bytes."""
        return os.fstat(self._descriptor).st_size

    def read(self, start: int, length: int) -> bytes:
        """Bytes from anywhere in it.

        Raises:
            OSError: it has not so many, or cannot be read.
        """
        content = os.pread(self._descriptor, length, start)
        if len(content) != length:
            raise OSError("the file is shorter than it was")
        return content


class Stored:
    """A part of a file.

    Args:
        in_memory: whether the file lies in memory, so that reading a piece takes no time.
    """

    def __init__(self, file: File, start: int, length: int, *, in_memory: bool) -> None:
        self._file = file
        self._start = start
        self._length = length
        self._in_memory = in_memory

    def __len__(self) -> int:
        return self._length

    def piece(self, start: int) -> bytes:
        """`PIECE_BYTES` from a place on, or what there is. Blocking.

        Raises:
            OSError: it cannot be read.
        """
        return self._file.read(self._start + start, min(PIECE_BYTES, self._length - start))

    async def fetch(self, start: int) -> bytes:
        """The same, in a thread where that may take long."""
        return self.piece(start) if self._in_memory else await asyncio.to_thread(self.piece, start)


Content = bytes | Stored
"""Of a result: a short one as it is."""


def content_of(file: File, start: int, length: int, *, in_memory: bool) -> Content:
    """A part of a file; read at once if it is short.

    Raises:
        OSError: it cannot be read.
    """
    if length <= PIECE_BYTES:
        return file.read(start, length)
    return Stored(file, start, length, in_memory=in_memory)


async def fetch(content: Content, start: int) -> bytes:
    """`PIECE_BYTES` of a content from a place on, or what there is.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(content, bytes):
        return content[start : start + PIECE_BYTES]
    return await content.fetch(start)


def piece(content: Content, start: int) -> bytes:
    """The same, blocking."""
    return content[start : start + PIECE_BYTES] if isinstance(content, bytes) else content.piece(start)
