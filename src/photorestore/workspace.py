"""Keep a request's pictures in a directory in shared memory, while a small envelope travels.

No torch here: the REST edge imports this module.

Layout: `<root>/<deadline>-<random id>/` of mode 0700 with the upload, one `.npy` file per plane, the metadata
blocks, a note of each stage's state, one if it is cancelled, and the result. Files appear when they are complete
(`atomic.py`), so a stage that is run twice replaces only its own output.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from photorestore import directories
from photorestore.atomic import full_means_retry, map_new_array, replacing
from photorestore.envelope import Envelope, Plane, Trace
from photorestore.errors import BrokenArtifact, Cancelled, DeadlineExceeded
from photorestore.folders import delete, make_private
from photorestore.options import Options
from photorestore.source import Source
from photorestore.stage_planes import planes_that_hold
from photorestore.stage_row import DAMAGE, OPACITY, PICTURE

RESULTS = planes_that_hold(PICTURE)
"""The planes that hold the picture, in the order in which the stages write them."""
OPACITIES = planes_that_hold(OPACITY)
MASKS = planes_that_hold(DAMAGE)
"""The planes that say what is to be filled, (1, H, W), 255 = fill. The first that is there counts; the caller's is the
first."""
CALLERS_MASK = MASKS[0]
CONFIDENCE = "colour_confidence"
"""The plane (1, V, U) that says for a view of the whole picture how sure its new colours are: 255 = told by a hint or
seen in a reference, 128 and less = guessed, 0 = as good as any other."""

Array = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


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
        """Create a new, empty directory with an id of our own.

        Raises:
            OutOfSpace: shared memory is full.
            PermissionError: others own the root or may write to it.
        """
        deadline = time.monotonic() + options.timeout_s
        workspace = cls(root, Envelope(directories.new_name(deadline), request_id, deadline, options, accept))
        with full_means_retry():
            make_private(root)
            workspace.directory.mkdir(mode=0o700)
        return workspace

    @classmethod
    def open(cls, root: Path, envelope: Envelope) -> Workspace:
        """Open the directory that an envelope names.

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
    def source(self) -> Source:
        """What the upload was.

        Raises:
            BrokenArtifact: nobody has read it yet.
        """
        if self.envelope.source is None:
            raise BrokenArtifact("the upload was not read")
        return self.envelope.source

    @property
    def is_marked(self) -> bool:
        """Return whether the caller marked what is to be filled."""
        return CALLERS_MASK in self.envelope.planes

    @property
    def is_grey(self) -> bool:
        """Return whether the result so far has one channel of colour: the upload had, and nobody gave it colours."""
        return self.source.is_grey and "colorized" not in self.envelope.planes

    @property
    def left_s(self) -> float:
        """Return the seconds until the deadline; negative after it."""
        return self.envelope.deadline - time.monotonic()

    def allow_time(self) -> None:
        """Start the time that the caller allows now."""
        self.envelope.deadline = time.monotonic() + self.options.timeout_s

    def path(self, name: str) -> Path:
        """Return where a file of this request lies: `upload`, `result`, `exif`, `xmp`, `icc`, or `<plane>.npy`."""
        return self.directory / name

    def write_file(self, name: str, content: bytes | memoryview) -> None:
        """Write a whole file atomically.

        Raises:
            OutOfSpace: shared memory is full; nothing is left behind.
        """
        with replacing(self.path(name)) as temporary, full_means_retry():
            temporary.write_bytes(content)

    @contextlib.contextmanager
    def new_file(self, name: str) -> Iterator[BinaryIO]:
        """Yield a file to be written piece by piece; it gets its name when the block ends without an error.

        Raises:
            OutOfSpace: shared memory is full; nothing is left behind.
        """
        with replacing(self.path(name)) as temporary, full_means_retry(), temporary.open("wb") as file:
            yield file

    def read_file(self, name: str) -> bytes | None:
        """Read a whole file; None if it is missing."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def new_plane(self, name: str, shape: tuple[int, int, int], dtype: str) -> Iterator[Array]:
        """Yield a writable mapping (C, H, W) that becomes the plane `name` when the block ends without an error.

        Raises:
            OutOfSpace: shared memory is full; nothing is left behind.
        """
        with replacing(self.path(f"{name}.npy")) as temporary:
            with full_means_retry():
                plane: Array = map_new_array(temporary, shape, dtype)
            yield plane
        self.envelope.planes[name] = Plane(shape, dtype)

    def write_plane(self, name: str, values: Array) -> None:
        """Write a plane (C, H, W) of uint8 or uint16."""
        c, h, w = values.shape
        with self.new_plane(name, (c, h, w), values.dtype.name) as plane:
            plane[:] = values

    def plane(self, name: str) -> Array:
        """Return a plane, mapped read-only.

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
        """Return the result so far, mapped read-only: (3, H, W)."""
        return self.plane(self.envelope.current)

    def name_before(self, name: str) -> str:
        """Return which plane holds the result as it was before the plane `name` of `RESULTS`."""
        return [plane for plane in RESULTS[: RESULTS.index(name)] if plane in self.envelope.planes][-1]

    def before(self, name: str) -> Array:
        """Return the result as it was before the plane `name` of `RESULTS`, mapped read-only."""
        return self.plane(self.name_before(name))

    def mask(self) -> Array | None:
        """Return what is to be filled, mapped read-only: what the caller marked, else what was found, or None."""
        names = [name for name in MASKS if name in self.envelope.planes]
        return self.plane(names[0]) if names else None

    def alpha(self) -> Array | None:
        """Return the opacity of the result so far, mapped read-only: (1, H, W)."""
        names = [name for name in OPACITIES if name in self.envelope.planes]
        return self.plane(names[-1]) if names else None

    def ran(self, stage: str, note: str) -> None:
        """Note in the trace that `stage` worked; whoever runs the stage adds the time."""
        self.envelope.trace[stage] = Trace("ran", note, 0.0)

    def passed(self, stage: str, note: str) -> None:
        """Note in the trace that `stage` had nothing to do, and why."""
        self.envelope.trace[stage] = Trace("passed", note, 0.0)

    def cancel(self) -> None:
        """Let no further stage begin; if there is no room for the note, the stages go on in vain."""
        with contextlib.suppress(OSError):
            self.path("cancelled").touch()

    def require_wanted(self) -> None:
        """Check that somebody still waits for the result.

        Raises:
            Cancelled: the caller has cancelled the request.
            DeadlineExceeded: their time is over.
        """
        if self.path("cancelled").exists():
            raise Cancelled("the request was cancelled")
        if self.left_s < 0:
            raise DeadlineExceeded(f"the request was to be answered within {self.options.timeout_s:g} s")

    def mark_done(self) -> None:
        """Let `housekeeping.sweep` delete the directory after the grace."""
        directories.mark_done(self.directory)

    def remove(self) -> None:
        """Delete the directory now."""
        delete(self.directory)
