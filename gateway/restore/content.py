"""The content of results: bytes, or a part of an open file that is sent in pieces and never read as a whole."""

from __future__ import annotations

import asyncio
import os
from typing import BinaryIO

PIECE_BYTES = 512 << 10
"""Bytes that are read and sent at a time; shorter contents are read at once."""


class File:
    """A file that stays open as long as this object is referred to. It stays readable when its name is deleted.

    Args:
        file: an open file, which the caller may close afterwards.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = os.dup(file.fileno())

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def length(self) -> int:
        """Return the length in bytes."""
        return os.fstat(self._descriptor).st_size

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from the offset `start`.

        Raises:
            OSError: the file is shorter, or cannot be read.
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
        """Return up to `PIECE_BYTES` from the offset `start`. Blocking.

        Raises:
            OSError: it cannot be read.
        """
        return self._file.read(self._start + start, min(PIECE_BYTES, self._length - start))

    async def fetch(self, start: int) -> bytes:
        """Return the same as `piece`, read in a thread unless the file lies in memory."""
        return self.piece(start) if self._in_memory else await asyncio.to_thread(self.piece, start)


Content = bytes | Stored
"""The content of a result: a short one as bytes, a long one in its file."""


def content_of(file: File, start: int, length: int, *, in_memory: bool) -> Content:
    """Return a part of a file as content, read at once if it is short.

    Raises:
        OSError: it cannot be read.
    """
    if length <= PIECE_BYTES:
        return file.read(start, length)
    return Stored(file, start, length, in_memory=in_memory)


async def fetch(content: Content, start: int) -> bytes:
    """Return up to `PIECE_BYTES` of a content from the offset `start`.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(content, bytes):
        return content[start : start + PIECE_BYTES]
    return await content.fetch(start)


def piece(content: Content, start: int) -> bytes:
    """Return the same as `fetch`; blocking."""
    return content[start : start + PIECE_BYTES] if isinstance(content, bytes) else content.piece(start)
