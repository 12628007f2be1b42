"""The parts of an upload, a picture and an optional mask, as files of the workspace."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from gateway.errors import BadRequest
from photorestore.errors import NotAnImage, PayloadTooLarge
from photorestore.workspace import Workspace

FILES = {"image": "upload", "mask": "mask_upload"}
"""Parts of a form, and the files of the workspace that they become."""


@dataclass(frozen=True, slots=True)
class Received:
    """The SHA-256 of an uploaded picture and of its mask, in hexadecimal."""

    image: str
    mask: str | None


class Parts:
    """Writes parts into the workspace, one after the other, and hashes them.

    Args:
        limit_bytes: the largest size of each part.

    Attributes:
        is_open: whether a part has begun and not ended.
    """

    def __init__(self, workspace: Workspace, files: contextlib.ExitStack, limit_bytes: int) -> None:
        self._workspace = workspace
        self._files = files
        self._limit_bytes = limit_bytes
        self._hashes: dict[str, hashlib._Hash] = {}
        self._name = ""
        self._bytes = 0
        self.is_open = False

    def begin(self, name: str) -> None:
        """Begin the part `name`.

        Raises:
            BadRequest: it is unknown, or occurs twice.
        """
        if name not in FILES:
            raise BadRequest(
                f"unknown part {name!r}; there are {', '.join(FILES)}, and options stand in the query"
            )
        if name in self._hashes:
            raise BadRequest(f"the part {name} is there twice")
        self._file: BinaryIO = self._files.enter_context(self._workspace.new_file(FILES[name]))
        self._hashes[name] = hashlib.sha256()
        self._name = name
        self._bytes = 0
        self.is_open = True

    def write(self, content: bytes | memoryview) -> None:
        """Write bytes of the part that has begun.

        Raises:
            PayloadTooLarge: the part is longer than the limit.
        """
        self._bytes += len(content)
        if self._bytes > self._limit_bytes:
            raise too_large(self._name, self._limit_bytes)
        self._file.write(content)
        self._hashes[self._name].update(content)

    def end(self) -> None:
        """End the part.

        Raises:
            NotAnImage: it is empty.
        """
        if self._bytes == 0:
            raise _nothing_sent()
        self.is_open = False

    def received(self) -> Received:
        """Return the hashes of all parts.

        Raises:
            NotAnImage: there is no picture.
        """
        digests = {name: found.hexdigest() for name, found in self._hashes.items()}
        if "image" not in digests:
            raise _nothing_sent()
        return Received(digests["image"], digests.get("mask"))


def _nothing_sent() -> NotAnImage:
    return NotAnImage("no picture was sent; expected it as the body, or as the part image of a form")


def too_large(name: str, limit_bytes: int, got: int | None = None) -> PayloadTooLarge:
    """Return the error for a part, or a body, that is longer than a picture may be."""
    size = "more" if got is None else f"{got} bytes"
    return PayloadTooLarge(f"the {name} has {size}; the limit of a picture is {limit_bytes} bytes")
