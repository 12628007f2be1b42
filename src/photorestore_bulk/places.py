"""Read from folders and write to them, wherever they are: on a disk, in a bucket, behind fsspec."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
from pyarrow import fs

LEDGER = "photorestore-ledger"
"""The folder of the ledger, in the folder of results."""
_WRITES_WHOLE = ("s3", "gcs", "abfs")
"""Kinds of stores in which a file appears when it is complete, and not before."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was found.

    Attributes:
        key: its path below the place.
        size_bytes: its size; -1 if it is not there.
        version: changes when the file does: when it was written, in nanoseconds.
    """

    key: str
    size_bytes: int
    version: int


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, on a disk or in a store; `Place.of` opens it.

    Attributes:
        base: its path in the file system, without a slash at the end.
        filesystem: how it is reached.
    """

    base: str
    filesystem: fs.FileSystem

    @classmethod
    def of(cls, url: str) -> Place:
        """Open a place: a path, `s3://`, `gs://` or whatever else pyarrow or fsspec know.

        Credentials are looked for where these libraries do, as in `AWS_ACCESS_KEY_ID`. `AWS_ENDPOINT_URL` names another
        store that speaks S3.

        Raises:
            ValueError: nobody knows such URLs.
        """
        if "://" not in url:
            return cls(str(Path(url).absolute()).rstrip("/"), fs.LocalFileSystem())
        try:
            filesystem, base = fs.FileSystem.from_uri(_with_settings(url))
        except pa.ArrowInvalid:
            filesystem, base = _by_fsspec(url)
        return cls(base.rstrip("/"), filesystem)

    def below(self, name: str) -> Place:
        """Return a folder of this place."""
        return Place(self._path(name), self.filesystem)

    def files(self, *, but: str | None = None) -> Iterator[Found]:
        """Yield the files of the folder and of those below it, in the order of their names in each folder.

        Hidden files and folders, links to folders and ledgers are left out. One folder at a time is held in memory.

        Args:
            but: path of a folder that is left out, too.
        """
        folders = [self.base]
        while folders:
            folder = folders.pop()
            entries = self.filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
            entries = [entry for entry in entries if not entry.base_name.startswith(".")]
            for entry in sorted(entries, key=lambda entry: entry.path):
                if entry.type == fs.FileType.File:
                    yield self._found(entry)
            folders += sorted(
                (entry.path for entry in entries if self._is_entered(entry) and entry.path != but),
                reverse=True,
            )

    def look(self, keys: Sequence[str]) -> list[Found]:
        """Return what is known of files, in the order of the keys."""
        return [
            self._found(entry) for entry in self.filesystem.get_file_info([self._path(key) for key in keys])
        ]

    def read(self, key: str) -> bytes:
        """Return a file's bytes.

        Raises:
            OSError: it is not there or cannot be read.
        """
        with self.filesystem.open_input_stream(self._path(key)) as stream:
            content: bytes = stream.read()
        return content

    def write(self, key: str, content: bytes) -> None:
        """Write a file, which appears as a whole or not at all; one that is there is replaced.

        Raises:
            OSError: it cannot be written.
        """
        path = self._path(key)
        if self.filesystem.type_name in _WRITES_WHOLE:
            self._put(path, content)
            return
        self.filesystem.create_dir(path.rpartition("/")[0])
        part = f"{path.rpartition('/')[0]}/.{secrets.token_hex(8)}.part"
        self._put(part, content)
        self.filesystem.move(part, path)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete files; those that are not there are passed over."""
        for found in self.look(keys):
            if found.size_bytes >= 0:
                self.filesystem.delete_file(self._path(found.key))

    def _put(self, path: str, content: bytes) -> None:
        if isinstance(self.filesystem, fs.LocalFileSystem):
            with Path(path).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            return
        stream = self.filesystem.open_output_stream(path)  # no `with`, which completes a file after an error
        stream.write(content)
        stream.close()

    def _path(self, key: str) -> str:
        return f"{self.base}/{key}"

    def _found(self, entry: fs.FileInfo) -> Found:
        size_bytes = -1 if entry.size is None else entry.size
        return Found(entry.path.removeprefix(f"{self.base}/"), size_bytes, entry.mtime_ns or 0)

    def _is_entered(self, entry: fs.FileInfo) -> bool:
        is_link = isinstance(self.filesystem, fs.LocalFileSystem) and Path(entry.path).is_symlink()
        return entry.type == fs.FileType.Directory and entry.base_name != LEDGER and not is_link


def _with_settings(url: str) -> str:
    """Return a URL of S3 with the address of the store, where the environment names one; others as they are."""
    if not url.startswith("s3://"):
        return url
    settings = {"allow_delayed_open": "true"}  # one request for a small file, not three
    if endpoint := re.fullmatch(r"(https?)://([^/]+)/?", os.environ.get("AWS_ENDPOINT_URL", "")):
        settings |= {"scheme": endpoint[1], "endpoint_override": endpoint[2]}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(settings)}"


def _by_fsspec(url: str) -> tuple[fs.FileSystem, str]:
    from fsspec.core import url_to_fs  # noqa: PLC0415 - only where it is needed

    try:
        filesystem, base = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{url}: {error}") from error
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), base
