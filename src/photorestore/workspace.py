"""A request's directory in shared memory: pictures stay here while a small envelope travels.

No torch here: the REST edge imports this module.

Layout: `<root>/<deadline>-<random id>/` of mode 0700 with the upload, one `.npy` file per plane, the metadata
blocks, a note of each stage's state, one if it is cancelled, and the result. Files are written under a name of their
own and renamed when complete, so a stage that is run twice replaces only its own output. Room is reserved before
pixels are written: writing into a mapping of a full tmpfs would kill the process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from photorestore import directories
from photorestore.envelope import Envelope, Plane, Trace
from photorestore.errors import BrokenArtifact, Cancelled, DeadlineExceeded, OutOfSpace
from photorestore.folders import delete, make_private
from photorestore.options import STAGES, Options
from photorestore.stages.row import OPACITY, PICTURE
from photorestore.stages.table import planes_that_hold

STATE_SUFFIX = ".state"
RUNNING = "running"
"""The state of a stage that is at work on a request."""

RESULTS = planes_that_hold(PICTURE)
"""The planes that hold the picture, in the order in which the stages write them."""
OPACITIES = planes_that_hold(OPACITY)

Array = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def default_root() -> Path:
    """`/dev/shm/photorestore`, or a folder of the temp dir where there is no shared memory."""
    shared = Path("/dev/shm")  # noqa: S108 - the decision of this module
    base = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
    return base / "photorestore"


@dataclass(slots=True)
class Workspace:
    """One request's directory and its envelope.

    Attributes:
        root: the folder that holds all workspaces.
        envelope: the request's document; stages change it through the methods here.
        directory: the request's own.
    """

    root: Path
    envelope: Envelope
    directory: Path = field(init=False)

    def __post_init__(self) -> None:
        self.directory = self.root / self.envelope.workspace_id

    @classmethod
    def create(cls, root: Path, options: Options, *, request_id: str = "-", accept: str = "") -> Workspace:
        """A new, empty directory with an id of our own.

        Raises:
            OutOfSpace: shared memory is full.
            PermissionError: others own the root or may write to it.
        """
        deadline = time.monotonic() + options.timeout_s
        workspace = cls(root, Envelope(directories.new_name(deadline), request_id, deadline, options, accept))
        with _full_means_retry():
            make_private(root)
            workspace.directory.mkdir(mode=0o700)
        return workspace

    @classmethod
    def open(cls, root: Path, envelope: Envelope) -> Workspace:
        """The directory that an envelope names.

        Raises:
            BrokenArtifact: the id is not one of ours, or its directory is gone.
        """
        if not directories.is_name(envelope.workspace_id):
            raise BrokenArtifact("the envelope names no workspace")
        workspace = cls(root, envelope)
        if workspace.directory.is_symlink() or not workspace.directory.is_dir():
            raise BrokenArtifact(f"workspace {envelope.workspace_id} is gone")
        return workspace

    @property
    def options(self) -> Options:
        return self.envelope.options

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.envelope.deadline - time.monotonic()

    def allow_time(self) -> None:
        """Let the time that the caller allows begin now."""
        self.envelope.deadline = time.monotonic() + self.options.timeout_s

    def path(self, name: str) -> Path:
        """Where a file of this request lies: `upload`, `result`, `exif`, `xmp`, `icc`, or `<plane>.npy`."""
        return self.directory / name

    def write_file(self, name: str, content: bytes | memoryview) -> None:
        """Write a whole file atomically.

        Raises:
            OutOfSpace: shared memory is full; nothing is left behind.
        """
        temporary = self._temporary(name)
        try:
            with _full_means_retry():
                temporary.write_bytes(content)
            temporary.replace(self.path(name))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @contextlib.contextmanager
    def new_file(self, name: str) -> Iterator[BinaryIO]:
        """A file to be written piece by piece; it gets its name when the block ends without an error.

        Raises:
            OutOfSpace: shared memory is full; nothing is left behind.
        """
        temporary = self._temporary(name)
        try:
            with _full_means_retry(), temporary.open("wb") as file:
                yield file
            temporary.replace(self.path(name))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def read_file(self, name: str) -> bytes | None:
        """A whole file, or None."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def new_plane(self, name: str, shape: tuple[int, int, int], dtype: str) -> Iterator[Array]:
        """A writable mapping (C, H, W) that becomes the plane `name` when the block ends without an error.

        Raises:
            OutOfSpace: shared memory is full; nothing is left behind.
        """
        temporary = self._temporary(f"{name}.npy")
        try:
            with _full_means_retry():
                plane = _allocate(temporary, shape, dtype)
            yield plane
            temporary.replace(self.path(f"{name}.npy"))
            self.envelope.planes[name] = Plane(shape, dtype)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def write_plane(self, name: str, values: Array) -> None:
        """Write a plane (C, H, W) of uint8 or uint16."""
        c, h, w = values.shape
        with self.new_plane(name, (c, h, w), values.dtype.name) as plane:
            plane[:] = values

    def plane(self, name: str) -> Array:
        """A plane, mapped read-only.

        Raises:
            BrokenArtifact: the envelope does not know it, or the file is not what the envelope says.
        """
        described = self.envelope.planes.get(name)
        if described is None:
            raise BrokenArtifact(f"the workspace has no plane {name}")
        try:
            values: Array = np.load(self.path(f"{name}.npy"), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BrokenArtifact(f"plane {name} cannot be read: {error}") from error
        if (values.shape, values.dtype.name) != (described.shape, described.dtype):
            raise BrokenArtifact(f"plane {name} is {values.shape} {values.dtype}, not {described}")
        return values

    def current(self) -> Array:
        """The result so far, mapped read-only: (3, H, W)."""
        return self.plane(self.envelope.current)

    def name_before(self, name: str) -> str:
        """Which plane holds the result as it was before the plane `name` of `RESULTS`."""
        return [plane for plane in RESULTS[: RESULTS.index(name)] if plane in self.envelope.planes][-1]

    def before(self, name: str) -> Array:
        """The result as it was before the plane `name` of `RESULTS`, mapped read-only."""
        return self.plane(self.name_before(name))

    def alpha(self) -> Array | None:
        """The opacity of the result so far, mapped read-only: (1, H, W)."""
        names = [name for name in OPACITIES if name in self.envelope.planes]
        return self.plane(names[-1]) if names else None

    def ran(self, stage: str, note: str) -> None:
        """Enter in the trace that `stage` worked; whoever runs the stage adds the time."""
        self.envelope.trace[stage] = Trace("ran", note, 0.0)

    def passed(self, stage: str, note: str) -> None:
        """Enter in the trace that `stage` had nothing to do, and why."""
        self.envelope.trace[stage] = Trace("passed", note, 0.0)

    def note_state(self, stage: str, state: str) -> None:
        """Let others see how far this request is: `RUNNING`, then the trace's outcome.

        A note is an empty file's name. A stage never fails over one: without it, it seems to wait.
        """
        begun = self._note(stage, RUNNING)
        with contextlib.suppress(OSError):
            if state == RUNNING:
                begun.touch(exist_ok=False)  # or else it looks first
            else:
                begun.replace(self._note(stage, state))

    def states(self) -> dict[str, str]:
        """What was noted so far, by stage."""
        try:
            names = [file.stem for file in self.directory.iterdir() if file.suffix == STATE_SUFFIX]
        except FileNotFoundError:
            names = []
        notes: dict[str, str] = {}
        for name in names:
            stage, _, state = name.partition(".")
            if notes.get(stage) != RUNNING:  # it may run again
                notes[stage] = state
        return {stage: notes[stage] for stage in STAGES if stage in notes}

    def cancel(self) -> None:
        """Let no further stage begin; without room for the note they work on for nobody."""
        with contextlib.suppress(OSError):
            self.path("cancelled").touch()

    def require_wanted(self) -> None:
        """Check that somebody still waits for the result.

        Raises:
            Cancelled: they have thought better of it.
            DeadlineExceeded: their time is over.
        """
        if self.path("cancelled").exists():
            raise Cancelled("the request was cancelled")
        if self.left_s < 0:
            raise DeadlineExceeded(f"the request was to be answered within {self.options.timeout_s:g} s")

    def mark_done(self) -> None:
        """Let the sweeper take the directory after the grace."""
        directories.mark_done(self.directory)

    def remove(self) -> None:
        """Delete the directory now."""
        delete(self.directory)

    def _note(self, stage: str, state: str) -> Path:
        return self.path(f"{stage}.{state}{STATE_SUFFIX}")

    def _temporary(self, name: str) -> Path:
        return self.path(f".{name}.{secrets.token_hex(8)}")


def _allocate(file: Path, shape: tuple[int, int, int], dtype: str) -> Array:
    """Create a `.npy` file whose blocks are all there, and map it."""
    mapping: Array = np.lib.format.open_memmap(file, mode="w+", dtype=np.dtype(dtype), shape=shape)
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
    return mapping


@contextlib.contextmanager
def _full_means_retry() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM):
            raise
        raise OutOfSpace("shared memory is full; try again later") from error
