"""After a run: the result, and what was filled, taken from the workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from gateway.cache import Result
from gateway.stored import Content, File, content_of
from photorestore.errors import BrokenArtifact
from photorestore.report import Report
from photorestore.serving.answers import MASK_FILES
from photorestore.source import Source
from photorestore.workspace import Workspace

MASK = "mask.png"
"""The workspace's file of what was filled."""


async def collect(workspace: Workspace, report: Report, *, wants_mask: bool) -> Result:
    """The result, which outlives the workspace. The mask is made in a thread.

    Raises:
        BrokenArtifact: it is not there, or the mask is not what it should be.
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
    """What was marked or found, white on black, as a PNG; all black where nothing was looked for."""
    height, width = source.height, source.width
    mask = _read_mask(workspace, (1, height, width))
    image = Image.new("L", (width, height)) if mask is None else Image.fromarray(mask[0], "L")
    with workspace.new_file(MASK) as file:
        image.save(file, "PNG", compress_level=1)
    return _content(workspace, MASK)


def _read_mask(workspace: Workspace, shape: Sequence[int]) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    for name in MASK_FILES:
        file = workspace.path(name)
        if not file.exists():
            continue
        mask: np.ndarray[Any, np.dtype[np.uint8]] = np.load(file, allow_pickle=False)
        if mask.shape != tuple(shape) or mask.dtype != np.uint8:
            raise BrokenArtifact(f"{name} is {mask.shape} {mask.dtype}")
        return mask
    return None
