"""Deliver the upload as it came, or the result encoded as the caller accepts it, with metadata; write the report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch

from photorestore.errors import BrokenArtifact
from photorestore.findings import find
from photorestore.imaging import (
    CONTENT_TYPES,
    Outgoing,
    encode,
    open_picture,
)
from photorestore.imaging.colour import conversion
from photorestore.imaging.metadata.attachments import collect
from photorestore.imaging.metadata.change import Change
from photorestore.imaging.metadata.stated import with_statement
from photorestore.imaging.negotiate import keeps_hidden
from photorestore.imaging.source_colours import Stored, to_source
from photorestore.imaging.unchanged import CONVERTED_MODES
from photorestore.pixels.hidden import with_hidden
from photorestore.records import document_of
from photorestore.report import Report
from photorestore.stages.base import StageConfig, timed
from photorestore.stages.colorize.findings import ColorizeFindings
from photorestore.stages.deliver.findings import DeliverFindings
from photorestore.stages.preprocess.findings import decided_of
from photorestore.workspace import Workspace


class DeliverStage:
    """Writes the files `result` and `report.json` and marks the request done; always works."""

    name: ClassVar[str] = "deliver"

    @classmethod
    def load(cls, config: StageConfig, weights: Path | None, device: torch.device) -> Self:  # noqa: ARG003 - no network
        return cls()

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            self._run(workspace)

    def _run(self, workspace: Workspace) -> None:
        start = time.perf_counter()
        envelope = workspace.envelope
        _, height, width = workspace.current().shape
        delivery = _as_it_came(workspace) or _encoded(workspace)
        workspace.write_file("result", delivery.content)
        length = len(delivery.content)
        envelope.estimates[self.name] = DeliverFindings(delivery.content_type, length)
        name = delivery.content_type.removeprefix("image/")
        unchanged = "nothing was changed: the upload as it came, " if delivery.unchanged else ""
        note = f"{unchanged}{name} {width}x{height}, {delivery.bits} bits, {length} bytes"
        workspace.ran(self.name, note)
        envelope.trace[self.name] = timed(envelope.trace[self.name], start)
        report = Report(
            request_id=envelope.request_id,
            source=workspace.source,
            estimates={stage: document_of(found) for stage, found in envelope.estimates.items()},
            trace=envelope.trace,
            content_type=delivery.content_type,
            unchanged=delivery.unchanged,
            width=width,
            height=height,
            bits=delivery.bits,
            dropped=tuple(delivery.dropped),
        )
        workspace.write_file("report.json", json.dumps(document_of(report)).encode())
        workspace.mark_done()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A picture's file.

    Attributes:
        content_type: its media type.
        bits: per channel, 8 or 16.
        dropped: what it lacks of the upload.
        unchanged: whether it is the upload, byte for byte.
    """

    content: bytes | memoryview
    content_type: str
    bits: int
    dropped: list[str]
    unchanged: bool


def _as_it_came(workspace: Workspace) -> Delivery | None:
    """The upload, where nothing was changed and nothing else was asked for."""
    envelope = workspace.envelope
    if envelope.current != "image" or decided_of(workspace).is_normalised:
        return None
    promise = envelope.require_promise()
    if promise.own_type is None:
        return None
    upload = workspace.read_file("upload")
    if upload is None:
        raise BrokenArtifact("the upload is gone")
    dropped = [] if promise.unconverted is None else [promise.unconverted]
    return Delivery(upload, promise.own_type, workspace.source.bits, dropped, unchanged=True)


def _encoded(workspace: Workspace) -> Delivery:
    envelope, options = workspace.envelope, workspace.options
    source = workspace.source
    outgoing = Outgoing(workspace.current(), workspace.alpha(), source.bits, is_grey=workspace.is_grey)
    name = envelope.require_promise().format
    if keeps_hidden(name) or options.colour == "source":
        outgoing.image = with_hidden(workspace, outgoing.image)
    if options.colour == "source":
        _to_source(workspace, outgoing)
    _add_metadata(workspace, outgoing)
    _state_colours(workspace, outgoing)
    content = encode(outgoing, name, options.quality)
    dropped = [*source.dropped, *outgoing.dropped]
    return Delivery(content, CONTENT_TYPES[name], outgoing.bits, dropped, unchanged=False)


def _to_source(workspace: Workspace, outgoing: Outgoing) -> None:
    """Convert a picture to the upload's colour space, if that is known and not sRGB."""
    profile = workspace.path("icc")
    if not profile.exists():
        mode = workspace.source.mode
        outgoing.dropped += [f"colour: {mode} is delivered as sRGB"] if mode in CONVERTED_MODES else []
        return
    icc = profile.read_bytes()
    if not conversion.is_srgb(icc):
        image = to_source(
            outgoing.image, profile, outgoing.bits, is_grey=outgoing.is_grey, stored=_stored(workspace)
        )
        if image is None:
            outgoing.dropped.append("colour: the source's profile cannot be applied; sRGB")
            return
        outgoing.image = image
    outgoing.icc = icc


def _stored(workspace: Workspace) -> Stored | None:
    """Decode the upload's own numbers once more, or take those that a raw file was developed to.

    None if no pixel of the result still has them.
    """
    upload = workspace.read_file("upload")
    if upload is None or workspace.options.scale > 1 or decided_of(workspace).is_normalised:
        return None
    image = with_hidden(workspace, workspace.plane("image"), heed_mask=False)
    if "wide" in workspace.envelope.planes:
        return Stored(workspace.plane("wide").copy(), image)
    picture = open_picture(upload)
    picture.header.icc = None  # so that `decode` does not convert
    values = np.empty(image.shape, image.dtype)
    picture.decode(values, None)
    return Stored(values, image)


def _add_metadata(workspace: Workspace, outgoing: Outgoing) -> None:
    """Hand over the upload's metadata, as far as the options want it."""
    options = workspace.options
    upload = None if options.metadata == "strip" else workspace.read_file("upload")
    if upload is None:
        return
    source = workspace.source
    _, height, width = outgoing.image.shape
    sides = (source.width, source.height)  # upright
    change = Change(
        width, height, *(sides[::-1] if source.orientation >= 5 else sides),
        orientation=source.orientation,
        gps=options.metadata == "keep",
        is_converted=workspace.path("icc").exists() and outgoing.icc is None,
    )  # fmt: skip
    blocks = {name: workspace.read_file(name) for name in ("exif", "xmp")}
    outgoing.attachments = collect(upload, source.format, change, outgoing.dropped, **blocks)


def _state_colours(workspace: Workspace, outgoing: Outgoing) -> None:
    """Say in the file that its colours are new, whatever becomes of the upload's metadata."""
    found = find(workspace.envelope.estimates, ColorizeFindings)
    if found is not None:
        attachments, is_invented = outgoing.attachments, found.invented > 0
        attachments.xmp = with_statement(
            attachments.xmp, found.in_words, is_invented=is_invented, dropped=outgoing.dropped
        )
