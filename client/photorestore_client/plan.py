"""The plan of a run: which pictures are restored, and where their results go."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from photorestore_client.signatures import HEAD_BYTES, media_type

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"),
    *(".heic", ".heif", ".hif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    *(".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".pef", ".srw", ".3fr", ".iiq"),
)
"""Suffixes of pictures that are sent whatever their first bytes are: the service says what is wrong with them."""

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


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or a folder that is not restored.

    Attributes:
        path: where it is.
        why: in words.
        has_failed: whether it is, or holds, a picture that was to be restored.
    """

    path: Path
    why: str
    has_failed: bool = False


@dataclass(slots=True)
class Plan:
    """What a run does, and what it leaves out."""

    works: list[Work] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def plan(inputs: Sequence[Path], output: Path, image_format: str) -> Plan:
    """Return all pictures among the inputs and below those that are folders, and what is left out.

    Files in folders are pictures by their first bytes or by their suffix. Hidden files and folders, links to folders
    and what is no file are left out; `output` is passed over. A result keeps its source's name and its place below the
    input folder. `scan.bmp` becomes `scan.bmp.jpg`, so that `scan.bmp` and `scan.jpg` have different results. With
    several inputs, the paths begin with the folder's name. Of two pictures that would have the same result, the second
    one fails, and so does one whose result would replace a source.

    Args:
        inputs: files and folders.
        output: the folder of results.
        image_format: of the results.

    Raises:
        OSError: an input is missing.
        ValueError: the folder of results is an input.
    """
    found = Plan()
    for path in inputs:
        if path.is_dir() and path.resolve() == output.resolve():
            raise ValueError(
                f"{path} holds the pictures; results need a folder of their own, which may lie in it"
            )
        if path.is_dir():
            base = Path(path.resolve().name) if len(inputs) > 1 else Path()
            below = _look_below(path, output.resolve())
            found.works += [
                Work(work.source, base / _name(work.result, image_format)) for work in below.works
            ]
            found.left_out += below.left_out
        elif why := _why_no_file(path.stat().st_mode):
            found.left_out.append(LeftOut(path, why, has_failed=True))
        else:
            found.works.append(Work(path, _name(Path(path.name), image_format)))
    return _without_collisions(found, output)


def _without_collisions(found: Plan, output: Path) -> Plan:
    taken: dict[Path, Path] = {}
    sources = {work.source.resolve() for work in found.works}
    kept = Plan(left_out=found.left_out)
    for work in found.works:
        target = output / work.result
        if work.result in taken:
            why = f"its result would be {target}, as that of {taken[work.result]}"
            kept.left_out.append(LeftOut(work.source, why, has_failed=True))
        elif target.resolve() in sources:
            kept.left_out.append(LeftOut(work.source, f"its result would replace {target}", has_failed=True))
        else:
            taken[work.result] = work.source
            kept.works.append(work)
    return kept


def _look_below(folder: Path, output: Path) -> Plan:
    """Return the pictures in a folder, each with its place below it, and what is left out."""
    found = Plan()

    def note(error: OSError) -> None:
        found.left_out.append(
            LeftOut(Path(error.filename), f"cannot be read: {error.strerror}", has_failed=True)
        )

    for here, folders, files in os.walk(folder, onerror=note):
        place = Path(here)
        entered: list[str] = []
        for name in sorted(folders):
            path = place / name
            if name.startswith(".") or path.is_symlink():
                found.left_out.append(
                    LeftOut(path, "hidden" if name.startswith(".") else "a link to a folder")
                )
            elif path.resolve() != output:
                entered.append(name)
        folders[:] = entered
        for name in sorted(files):
            _add_file(found, place / name, (place / name).relative_to(folder))
    return found


def _add_file(found: Plan, path: Path, below: Path) -> None:
    is_hidden = path.name.startswith(".")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        why = "a broken link" if path.is_symlink() else f"cannot be read: {error.strerror}"
        found.left_out.append(LeftOut(path, why, has_failed=not path.is_symlink()))
        return
    if why := _why_no_file(mode):
        found.left_out.append(LeftOut(path, why))
    elif _is_picture(path, by_suffix=not is_hidden):
        if is_hidden:
            found.left_out.append(LeftOut(path, "hidden"))
        else:
            found.works.append(Work(path, below))
    elif not is_hidden:
        found.left_out.append(LeftOut(path, "no picture, by its first bytes and its suffix"))


def _is_picture(path: Path, *, by_suffix: bool) -> bool:
    """Return whether a file is to be restored; one that cannot be read is, and fails then."""
    if by_suffix and path.name.lower().endswith(SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            return media_type(file.read(HEAD_BYTES)) is not None
    except OSError:
        return by_suffix


def _why_no_file(mode: int) -> str:
    """Return what something is if it is no regular file."""
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return "" if stat.S_ISREG(mode) else kinds.get(stat.S_IFMT(mode), "a device")


def _name(below: Path, image_format: str) -> Path:
    suffixes = RESULT_SUFFIXES[image_format]
    return below if below.suffix.lower() in suffixes else below.with_name(below.name + suffixes[0])


def format_of(target: Path) -> str:
    """Return the format that the suffix of a name stands for.

    Raises:
        ValueError: it stands for none.
    """
    for image_format, suffixes in RESULT_SUFFIXES.items():
        if target.suffix.lower() in suffixes:
            return image_format
    raise ValueError(f"{target}: its name ends in none of the formats' suffixes; use --format")
