"""Bodies of requests, streamed from files, which each try reads again."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO

Picture = bytes | str | PathLike[str] | BinaryIO
"""A picture: the bytes of its file, the path to it, or an open file or stream, which is read from where it stands."""

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A body of known length, made of bytes and files.

    Attributes:
        parts: what is sent, one after the other.
        sizes: how many bytes each part has.
        content_type: the media type of the whole.
    """

    parts: tuple[bytes | Path, ...]
    sizes: tuple[int, ...]
    content_type: str

    def __len__(self) -> int:
        return sum(self.sizes)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes in chunks.

        Raises:
            OSError: a file cannot be read, or has changed its size.
        """
        for part, size in zip(self.parts, self.sizes, strict=True):
            yield from _chunks(part) if isinstance(part, bytes) else _chunks_of_file(part, size)


def upload(picture: Picture, **others: Picture | None) -> Upload:
    """Return a body that is the picture, or a form of it and others, such as a mask, by the names of their parts.

    Raises:
        OSError: a file cannot be read.
    """
    pictures = {"image": picture} | {name: other for name, other in others.items() if other is not None}
    if len(pictures) == 1:
        return _upload([_source(picture)], "application/octet-stream")
    boundary = secrets.token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{{0}}"; filename="{{0}}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    parts = list[bytes | Path]()
    for name, part in pictures.items():
        parts += [(b"\r\n" if parts else b"") + head.format(name).encode(), _source(part)]
    parts.append(f"\r\n--{boundary}--\r\n".encode())
    return _upload(parts, f"multipart/form-data; boundary={boundary}")


def _upload(parts: Sequence[bytes | Path], content_type: str) -> Upload:
    return Upload(tuple(parts), tuple(map(_size, parts)), content_type)


def _size(part: bytes | Path) -> int:
    if isinstance(part, bytes):
        return len(part)
    with part.open("rb") as file:  # so that an unreadable file is found before anything is sent
        return os.fstat(file.fileno()).st_size


def _source(picture: Picture) -> bytes | Path:
    """Return what can be read again for each try: streams and pipes are read into memory."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | PathLike):
        path = Path(picture)
        return path.read_bytes() if path.is_fifo() else path
    return picture.read()


def _chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


def _chunks_of_file(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise OSError(f"{path} changed while it was sent; it had {size} bytes")
