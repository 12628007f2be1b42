"""The result of a run, collected from the workspace: the picture, the report, and the mask of what was filled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from gateway.restore.content import Content, File, content_of
from photorestore.errors import BrokenArtifact
from photorestore.report import Report
from photorestore.serving.answers import IMPULSES_FILE, MASK_FILES
from photorestore.source import Source
from photorestore.workspace import Workspace

MASK = "mask.png"
"""Name of the file in the workspace for the mask of what was filled."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run.

    Attributes:
        picture: the restored picture, encoded.
        content_type: its media type.
        report: what the stages found and did.
        mask: PNG in which white is what was filled; None if it was not asked for.
    """

    picture: Content
    content_type: str
    report: Report
    mask: Content | None = None


async def collect(workspace: Workspace, report: Report, *, wants_mask: bool) -> Result:
    """Return the result, which stays readable when the workspace is deleted. The mask is made in a thread.

    Raises:
        BrokenArtifact: there is no result, or the mask is malformed.
        OutOfSpace: there is no room for the mask.
    """
    try:
        picture = _content(workspace, "result")
    except FileNotFoundError:
        raise BrokenArtifact(f"workspace {workspace.envelope.workspace_id} has no result") from None
    mask = await asyncio.to_thread(_make_mask, workspace, report.source) if wants_mask else None
    return Result(picture, report.content_type, report, mask)


def _content(workspace: Workspace, name: str) -> Content:
    with workspace.path(name).open("rb") as stored:
        file = File(stored)
    return content_of(file, 0, file.length, in_memory=True)


def _make_mask(workspace: Workspace, source: Source) -> Content:
    """Write what was marked or found as a PNG, white on black; all black if no stage looked for damage."""
    height, width = source.height, source.width
    mask = _read_mask(workspace, (1, height, width), MASK_FILES)
    impulses = _read_mask(workspace, (1, height, width), [IMPULSES_FILE])
    if impulses is not None:
        mask = impulses if mask is None else np.maximum(mask, impulses)
    image = Image.new("L", (width, height)) if mask is None else Image.fromarray(mask[0], "L")
    with workspace.new_file(MASK) as file:
        image.save(file, "PNG", compress_level=1)
    return _content(workspace, MASK)


def _read_mask(
    workspace: Workspace, shape: Sequence[int], names: Sequence[str]
) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    for name in names:
        file = workspace.path(name)
        if not file.exists():
            continue
        mask: np.ndarray[Any, np.dtype[np.uint8]] = np.load(file, allow_pickle=False)
        if mask.shape != tuple(shape) or mask.dtype != np.uint8:
            raise BrokenArtifact(f"{name} is {mask.shape} {mask.dtype}")
        return mask
    return None
