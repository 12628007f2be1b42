"""The plan of a run: which pictures are restored, and where their results go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"),
    *(".heic", ".heif", ".hif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
)
"""Suffixes by which pictures are found in folders. A file that is named as an input may have any."""

RESULT_SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "avif": (".avif",),
}
"""Suffixes by format; the first one is appended if the source has none of them."""


@dataclass(frozen=True, slots=True)
class Work:
    """A picture to restore.

    Attributes:
        source: its file.
        result: the path of the result below the folder of results.
    """

    source: Path
    result: Path


def plan(inputs: Sequence[Path], output: Path, image_format: str) -> list[Work]:
    """Return all pictures among the inputs and below those that are folders.

    A result keeps its source's name and its place below the input folder. `scan.bmp` becomes `scan.bmp.jpg`, so that
    `scan.bmp` and `scan.jpg` have different results. With several inputs, the paths begin with the folder's name. In
    folders, hidden files and folders, links to folders, and `output` are left out.

    Args:
        inputs: files and folders.
        output: the folder of results.
        image_format: of the results.

    Raises:
        ValueError: two pictures would have the same result, or it would replace a source.
        OSError: an input is missing or cannot be read.
    """
    works = [
        Work(source, _name(below, image_format))
        for path in inputs
        for source, below in _pictures(path, output, keep_name=len(inputs) > 1)
    ]
    _check(works, output)
    return works


def _check(works: Sequence[Work], output: Path) -> None:
    results: dict[Path, Path] = {}
    sources = {work.source.resolve() for work in works}
    for work in works:
        first = results.setdefault(work.result, work.source)
        if first is not work.source:
            raise ValueError(f"{first} and {work.source} would both become {output / work.result}")
        if (output / work.result).resolve() in sources:
            raise ValueError(f"the result of {work.source} would replace the source {output / work.result}")


def _pictures(path: Path, output: Path, *, keep_name: bool) -> Iterator[tuple[Path, Path]]:
    """Yield each picture and its place below the folder of results."""
    if not path.is_dir():
        path.stat()
        yield path, Path(path.name)
        return
    base = Path(path.resolve().name) if keep_name else Path()
    for source in _walk(path, output.resolve()):
        yield source, base / source.relative_to(path)


def _walk(folder: Path, left_out: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder, onerror=_raise):
        place = Path(here)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (place / name).resolve() != left_out
        )
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield place / name


def _raise(error: OSError) -> None:
    raise error


def _name(below: Path, image_format: str) -> Path:
    suffixes = RESULT_SUFFIXES[image_format]
    return below if below.suffix.lower() in suffixes else below.with_name(below.name + suffixes[0])
