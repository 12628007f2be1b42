"""The result of a run, collected from the workspace: the picture, the report, and masks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from gateway.restore.content import Content, File, content_of
from photorestore.errors import BrokenArtifact
from photorestore.report import Report
from photorestore.serving.answers import CONFIDENCE_FILE, IMPULSES_FILE, MASK_FILES
from photorestore.source import Source
from photorestore.workspace import Workspace

Samples: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

MASK = "mask.png"
"""Name of the file in the workspace for the mask of what was filled."""
CONFIDENCE = "confidence.png"
"""The same for how sure new colours are."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run.

    Attributes:
        picture: the restored picture, encoded.
        content_type: its media type.
        report: what the stages found and did.
        mask: PNG in which white is what was filled; None if it was not asked for.
        confidence: PNG of how sure new colours are, see `workspace.CONFIDENCE`; None if none were asked for, or masks
            were not.
    """

    picture: Content
    content_type: str
    report: Report
    mask: Content | None = None
    confidence: Content | None = None

    def file(self, kind: str) -> Content:
        """Return the picture, or the mask if `kind` is one of `returns.MASKS`; empty if it was not asked for."""
        return {"mask": self.mask, "confidence": self.confidence}.get(kind, self.picture) or b""


async def collect(workspace: Workspace, report: Report, *, wants_masks: bool) -> Result:
    """Return the result, which stays readable when the workspace is deleted. Masks are made in a thread.

    Raises:
        BrokenArtifact: there is no result, or a mask is malformed.
        OutOfSpace: there is no room for a mask.
    """
    try:
        picture = _content(workspace, "result")
    except FileNotFoundError:
        raise BrokenArtifact(f"workspace {workspace.envelope.workspace_id} has no result") from None
    masks = await asyncio.to_thread(_make_masks, workspace, report.source) if wants_masks else ()
    return Result(picture, report.content_type, report, *masks)


def _make_masks(workspace: Workspace, source: Source) -> tuple[Content, Content | None]:
    return _make_mask(workspace, source), _make_confidence(workspace, source)


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
    return _written(workspace, MASK, image)


def _make_confidence(workspace: Workspace, source: Source) -> Content | None:
    """Enlarge what `colorize` says of its view of the whole picture, as colours themselves are, and write it.

    All black if the stage had nothing to do; None if nobody asked for colours.
    """
    if not workspace.options.may_look("colorize"):
        return None
    view = _load(workspace, CONFIDENCE_FILE)
    if view is None:
        view = np.zeros((1, 1, 1), np.uint8)
    if view.ndim != 3 or view.shape[0] != 1:
        raise BrokenArtifact(f"{CONFIDENCE_FILE} is {view.shape}")
    size = (source.width, source.height)
    return _written(
        workspace, CONFIDENCE, Image.fromarray(view[0], "L").resize(size, Image.Resampling.BILINEAR)
    )


def _written(workspace: Workspace, name: str, image: Image.Image) -> Content:
    with workspace.new_file(name) as file:
        image.save(file, "PNG", compress_level=1)
    return _content(workspace, name)


def _read_mask(workspace: Workspace, shape: Sequence[int], names: Sequence[str]) -> Samples | None:
    for name in names:
        mask = _load(workspace, name)
        if mask is None:
            continue
        if mask.shape != tuple(shape):
            raise BrokenArtifact(f"{name} is {mask.shape}")
        return mask
    return None


def _load(workspace: Workspace, name: str) -> Samples | None:
    file = workspace.path(name)
    if not file.exists():
        return None
    samples: Samples = np.load(file, allow_pickle=False)
    if samples.dtype != np.uint8:
        raise BrokenArtifact(f"{name} is {samples.dtype}")
    return samples
