"""Where uploads of jobs that wait, and results of jobs that succeeded, are kept."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from gateway.restore.results import Result
from photorestore.options import Options
from photorestore.workspace import Workspace

ORPHAN_S = 86400.0
"""Seconds after which files without a record are deleted where several edges write: it may be on its way."""


class Files(Protocol):
    """A place for uploads and results. Blocking: to be called in threads.

    Everything raises OutOfSpace where there is no room, and JobsUnavailable where nothing can be written or read now.

    Attributes:
        is_shared: whether other edges use it, too.
    """

    is_shared: bool

    def find_problem(self) -> str:
        """Return why nothing can be written now; empty when it can."""

    def new_upload(self, options: Options, request_id: str) -> Workspace:
        """Create a folder for an upload, as a workspace that lies on disk."""

    def secure(self, upload: Workspace) -> int:
        """Make an upload survive a crash of the machine; return its size in bytes."""

    def lay_out(self, upload: str, workspace: Workspace) -> None:
        """Copy an upload into the workspace where it will be restored.

        Raises:
            BrokenArtifact: the upload is gone.
        """

    def drop_upload(self, upload: str) -> None:
        """Delete an upload; one that cannot be deleted now is deleted by `drop_others`."""

    def keep(self, name: str, result: Result) -> int:
        """Keep a result; return the size of its file in bytes.

        Args:
            name: the job's id, maybe with a dot and more.
        """

    def result(self, name: str) -> Result | None:
        """Return a result, or None if it is not kept."""

    def drop_result(self, name: str) -> None:
        """Delete a result; one that cannot be deleted now is deleted by `drop_others`."""

    def drop_others(self, jobs: Collection[str], waiting: Collection[str]) -> None:
        """Delete what crashed edges have left: of a shared place, what is older than `ORPHAN_S`.

        Args:
            jobs: ids of the jobs whose results are kept.
            waiting: ids of the jobs whose uploads are kept.
        """

    def close(self) -> None:
        """Release it to other processes."""
