"""Taking an upload in: receive it, read its header, and name the result that it will have."""

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
from gateway.restore.parts import Received
from gateway.restore.release import Release
from gateway.restore.transfers import Transfers
from gateway.restore.upload import receive
from photorestore.errors import BrokenArtifact
from photorestore.imaging import CONTENT_TYPES, LIMITS, open_picture, promise
from photorestore.tiers import require_tier
from photorestore.workspace import Workspace

MASK_MARK = "-mask"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture that lies in its workspace.

    Attributes:
        workspace: with the upload and, maybe, the mask.
        received: the hashes of both.
        key: of everything that the result depends on: hexadecimal, with `MASK_MARK` where the mask is wanted, too.
        pixels: of the picture and of the result, whichever has more.
        wants_mask: whether what was filled is to be read, too.
    """

    workspace: Workspace
    received: Received
    key: str
    pixels: int
    wants_mask: bool

    @classmethod
    def of(
        cls, workspace: Workspace, received: Received, pixels: int, release: str, *, wants_mask: bool
    ) -> Self:
        """Name the result of a picture whose envelope holds the promise.

        Args:
            release: what results depend on beside the request, see `Release.fingerprint`.
        """
        promised = workspace.envelope.require_promise()
        # Which of the two types it becomes is known only after the run, but each run of this key comes to the same one.
        types = [CONTENT_TYPES[promised.format], promised.own_type]
        options = workspace.options.to_mapping() | {"format": types}
        del options["timeout_s"]
        parts = [release, received.image, received.mask, options]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return cls(workspace, received, key + MASK_MARK * wants_mask, pixels, wants_mask)

    @property
    def left_s(self) -> float:
        """Until the caller's deadline."""
        return self.workspace.left_s


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes uploads in.

    Attributes:
        pace: at which they must come.
        transfers: counts them.
        release: gives what restores at present.
    """

    pace: Pace
    transfers: Transfers
    release: Callable[[], Release]

    async def take_in(
        self, request: Request, owner: Owner, workspace: Workspace, *, wants_mask: bool
    ) -> Prepared:
        """Receive the upload and read its header. The time that the caller allows begins when it is there.

        Raises:
            UnavailableTier: before anything is received.
            InvalidInput: the upload is not as it should be, or makes the restoration impossible.
            TooManyRequests: all uploads together are too many or too large.
            OutOfSpace: there is no room for it.
        """
        require_tier(workspace.options, self.release().tiers)
        with self.transfers.uploading(owner) as place:
            received = await receive(request, workspace, self.pace, place)
            workspace.allow_time()
            return await prepare(workspace, received, self.release().fingerprint, wants_mask=wants_mask)


async def prepare(workspace: Workspace, received: Received, release: str, *, wants_mask: bool) -> Prepared:
    """Read the picture's header, in a thread: where requests are served, nobody's bytes are parsed.

    What will be delivered is entered in the envelope.

    Args:
        release: what results depend on beside the request, see `Release.fingerprint`.

    Raises:
        InvalidInput: the picture, or what is accepted, makes a restoration impossible.
    """
    pixels = await asyncio.to_thread(_read_header, workspace)
    return Prepared.of(workspace, received, pixels, release, wants_mask=wants_mask)


def _read_header(workspace: Workspace) -> int:
    """Decide what will be delivered; return the pixels of the picture or of the result, whichever has more."""
    upload = workspace.read_file("upload")
    if upload is None:
        raise BrokenArtifact("the upload is gone")
    header = open_picture(upload).header
    envelope = workspace.envelope
    envelope.promise = promise(header, envelope.options, envelope.accept, LIMITS)
    return header.width * header.height * envelope.options.scale**2
