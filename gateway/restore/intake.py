"""Intake of an upload: receive it, read its header, and compute the key of its result."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request

from gateway.http.pace import Pace
from gateway.restore.owners import Owner
from gateway.restore.parts import Fields, Received
from gateway.restore.release import Release
from gateway.restore.transfers import Transfers
from gateway.restore.upload import receive
from gateway.telemetry.logs import note
from gateway.telemetry.tracing import Tracing
from photorestore.blur_words import is_picture
from photorestore.errors import BrokenArtifact
from photorestore.imaging import CONTENT_TYPES, LIMITS, open_picture, promise
from photorestore.imaging.psf_picture import open_psf
from photorestore.options import Options
from photorestore.workspace import Workspace

MASK_MARK = "-mask"
DEFAULTS = Options().to_mapping()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture that lies in its workspace, ready to be restored.

    Attributes:
        workspace: holds the upload, and the optional mask and reference.
        received: the hashes of all.
        key: hexadecimal hash of everything that the result depends on, with `MASK_MARK` if masks are wanted, too.
        pixels: of the picture or of the result, whichever has more.
        wants_masks: whether the result must include masks: of what was filled, and of how sure colours are.
    """

    workspace: Workspace
    received: Received
    key: str
    pixels: int
    wants_masks: bool

    @classmethod
    def of(
        cls, workspace: Workspace, received: Received, pixels: int, release: str, *, wants_masks: bool
    ) -> Self:
        """Compute the key of a picture whose envelope holds the promise.

        Args:
            release: `Release.fingerprint`.
        """
        promised = workspace.envelope.require_promise()
        # Only the run shows which of the two types the result has, but every run of this key gives the same one.
        types = [CONTENT_TYPES[promised.format], promised.own_type]
        options = workspace.options.to_mapping() | {"format": types}
        del options["timeout_s"]
        measured = workspace.envelope.is_measured  # the report, which is kept with the result, has more then
        parts = [release, received.image, received.mask, received.reference, options, measured]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return cls(workspace, received, key + MASK_MARK * wants_masks, pixels, wants_masks)

    @property
    def left_s(self) -> float:
        """Return the seconds left until the caller's deadline."""
        return self.workspace.left_s


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes uploads in.

    Attributes:
        pace: how slowly uploads may arrive.
        transfers: counts uploads in flight.
        tracing: of requests.
        release: returns the release that restores at present.
    """

    pace: Pace
    transfers: Transfers
    tracing: Tracing
    release: Callable[[], Release]

    async def take_in(
        self, request: Request, owner: Owner, workspace: Workspace, settle: Callable[[Fields], bool]
    ) -> Prepared:
        """Receive the upload and read its header. The caller's time-out counts from the end of the upload.

        Args:
            settle: is called with the form's fields, enters what they ask for in the envelope, and returns whether
                masks are wanted.

        Raises:
            UnavailableTier, UnavailableNetwork: it does not exist; if the query says so, nothing is received.
            InvalidInput: the upload is invalid, or cannot be restored as asked.
            TooManyRequests: too many or too large uploads are in flight.
            OutOfSpace: there is no room for it.
        """
        note(options=_asked(workspace.options))
        self.release().require(workspace.options)
        with self.tracing.span("upload"), self.transfers.uploading(owner) as place:
            received, fields = await receive(request, workspace, self.pace, place)
            wants_masks = settle(fields)
            note(options=_asked(workspace.options))
            self.release().require(workspace.options)
            workspace.allow_time()
            prepared = await prepare(workspace, received, self.release().fingerprint, wants_masks=wants_masks)
        note(pixels=prepared.pixels)
        return prepared


async def prepare(workspace: Workspace, received: Received, release: str, *, wants_masks: bool) -> Prepared:
    """Read the picture's header, and enter in the envelope what will be delivered.

    The header is read in a thread: a hostile one must not block the event loop.

    Args:
        release: `Release.fingerprint`.

    Raises:
        InvalidInput: the picture is invalid, or no accepted type can be delivered.
    """
    pixels = await asyncio.to_thread(_read_header, workspace)
    return Prepared.of(workspace, received, pixels, release, wants_masks=wants_masks)


def _asked(options: Options) -> dict[str, object]:
    """Return the options that differ from their defaults; a picture of a blur is only named."""
    asked = {name: value for name, value in options.to_mapping().items() if value != DEFAULTS[name]}
    return {**asked, "psf": "a picture"} if is_picture(options.psf) else asked


def _read_header(workspace: Workspace) -> int:
    """Decide what will be delivered; return the pixels of the picture or of the result, whichever has more."""
    upload = workspace.read_file("upload")
    if upload is None:
        raise BrokenArtifact("the upload is gone")
    header = open_picture(upload).header
    envelope = workspace.envelope
    if (psf := envelope.options.psf) is not None and is_picture(psf):
        open_psf(psf)
    envelope.promise = promise(header, envelope.options, envelope.accept, LIMITS)
    return header.width * header.height * envelope.options.scale**2
