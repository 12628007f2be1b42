"""After a run: the result, and what was filled, read from the workspace."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from gateway.cache import Result
from gateway.preparing import is_quick
from photorestore.errors import BrokenArtifact
from photorestore.serving.answers import MASK_FILES
from photorestore.workspace import Workspace


async def collect(workspace: Workspace, report: dict[str, Any], *, wants_mask: bool) -> Result:
    """Read a result; in a thread where that may take long.

    Raises:
        BrokenArtifact: it is not there, or the mask is not what it should be.
    """
    if not wants_mask and is_quick(workspace, "result"):
        return _collect(workspace, report, wants_mask=False)
    return await asyncio.to_thread(_collect, workspace, report, wants_mask=wants_mask)


def _collect(workspace: Workspace, report: dict[str, Any], *, wants_mask: bool) -> Result:
    picture = workspace.read_file("result")
    if picture is None:
        raise BrokenArtifact(f"workspace {workspace.envelope.workspace_id} has no result")
    source = report["source"]
    mask = _mask_png(workspace, source["height"], source["width"]) if wants_mask else None
    return Result(picture, report["content_type"], report, mask)


def _mask_png(workspace: Workspace, height: int, width: int) -> bytes:
    """What was marked or found, white on black, as a PNG; all black where nothing was looked for."""
    mask = _read_mask(workspace, (1, height, width))
    image = Image.new("L", (width, height)) if mask is None else Image.fromarray(mask[0], "L")
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


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
