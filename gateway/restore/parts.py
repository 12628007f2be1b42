"""The parts of an upload: pictures, as files of the workspace, and fields with options.

A file `psf` is an option, too: it becomes a field with a data URL.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from gateway.errors import BadRequest
from photorestore.blur_words import as_data_url
from photorestore.errors import NotAnImage, PayloadTooLarge
from photorestore.workspace import Workspace

FILES = {"image": "upload", "mask": "mask_upload", "reference": "reference_upload"}
"""Parts of a form, and the files of the workspace that they become."""
PSF = "psf"
"""The part that is a field with a blur in words, or a file with a picture of it."""
JSON_FIELD = "options"
"""The field that holds a JSON object of options; browsers may send it as a file, to give it a type."""
FIELDS_BYTES = 64 << 10
"""Limit of all fields of a form together."""

Fields: TypeAlias = tuple[tuple[str, str], ...]
"""Names and texts of a form's fields, in their order."""


@dataclass(frozen=True, slots=True)
class Received:
    """The SHA-256 of an uploaded picture, of its mask and of the reference, in hexadecimal."""

    image: str
    mask: str | None
    reference: str | None = None


class Parts:
    """Takes parts one after the other: writes pictures into the workspace and hashes them, and keeps fields.

    Args:
        limit_bytes: the largest size of each part.

    Attributes:
        fields: the fields that have ended.
        is_open: whether a part has begun and not ended.
    """

    def __init__(self, workspace: Workspace, files: contextlib.ExitStack, limit_bytes: int) -> None:
        self._workspace = workspace
        self._files = files
        self._limit_bytes = limit_bytes
        self._hashes: dict[str, hashlib._Hash] = {}
        self._name = ""
        self._bytes = 0
        self._field: bytearray | None = None
        self._is_psf = False
        self._fields_bytes = 0
        self.fields: list[tuple[str, str]] = []
        self.is_open = False

    def begin(self, name: str, *, is_file: bool) -> None:
        """Begin the part `name`.

        Args:
            is_file: whether it was sent with a file's name; such a part is no option.

        Raises:
            BadRequest: it is a file of an unknown name, or occurs twice, or the fields are longer than their limit.
        """
        self._name = name
        self._bytes = 0
        self.is_open = True
        self._field = None
        if name not in FILES:
            if is_file and name not in (JSON_FIELD, PSF):
                raise BadRequest(f"unknown file {name!r}; there are {', '.join((*FILES, PSF))}")
            self._field, self._is_psf = bytearray(), is_file and name == PSF
            self._count_field(len(name) + 1)
            return
        if name in self._hashes:
            raise BadRequest(f"the part {name} is there twice")
        self._file: BinaryIO = self._files.enter_context(self._workspace.new_file(FILES[name]))
        self._hashes[name] = hashlib.sha256()

    def write(self, content: bytes | memoryview) -> None:
        """Write bytes of the part that has begun.

        Raises:
            BadRequest: the fields are longer than their limit.
            PayloadTooLarge: the part is longer than the limit.
        """
        if self._field is not None:
            self._count_field(len(content))
            self._field += content
            return
        self._bytes += len(content)
        if self._bytes > self._limit_bytes:
            raise too_large(self._name, self._limit_bytes)
        self._file.write(content)
        self._hashes[self._name].update(content)

    def end(self) -> None:
        """End the part.

        Raises:
            BadRequest: it is a field that is no UTF-8.
            NotAnImage: it is an empty picture.
        """
        self.is_open = False
        if self._field is not None and self._is_psf:
            self.fields.append((PSF, as_data_url(self._field)))
        elif self._field is not None:
            try:
                self.fields.append((self._name, self._field.decode()))
            except UnicodeDecodeError as error:
                raise BadRequest(f"the field {self._name!r} is no text in UTF-8") from error
        elif self._bytes == 0:
            raise _nothing_sent()

    def _count_field(self, length: int) -> None:
        self._fields_bytes += length
        if self._fields_bytes > FIELDS_BYTES:
            raise BadRequest(f"the fields of the form have more than {FIELDS_BYTES} bytes")

    def received(self) -> Received:
        """Return the hashes of all parts.

        Raises:
            NotAnImage: there is no picture.
        """
        digests = {name: found.hexdigest() for name, found in self._hashes.items()}
        if "image" not in digests:
            raise _nothing_sent()
        return Received(digests["image"], digests.get("mask"), digests.get("reference"))


def _nothing_sent() -> NotAnImage:
    return NotAnImage("no picture was sent; expected it as the body, or as the part image of a form")


def too_large(name: str, limit_bytes: int, got: int | None = None) -> PayloadTooLarge:
    """Return the error for a part, or a body, that is longer than a picture may be."""
    size = "more" if got is None else f"{got} bytes"
    return PayloadTooLarge(f"the {name} has {size}; the limit of a picture is {limit_bytes} bytes")
