"""Read what TorchServe hands over: an upload, an envelope, or the envelopes of several parents.

No torch here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from photorestore.envelope import Envelope, merge
from photorestore.errors import NotAnImage, UnsupportedOption
from photorestore.options import STAGES, Options

REQUEST_ID_PATTERN = re.compile(r"^[A-Za-z0-9._-]{1,128}$")
PARTS = ("image", "mask", "reference", "options")
"""Parts that a multipart upload may have."""

Body = bytes | bytearray | str | dict[str, object]
Item = Mapping[str, Body]
"""Bodies as TorchServe hands them over, by the name of a part or of a node; JSON comes decoded."""
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture as it was received, with what is wanted.

    Attributes:
        image: the file's bytes.
        mask: bytes of the caller's mask, or None.
        reference: bytes of the caller's reference, or None.
        options: checked.
    """

    image: bytes
    mask: bytes | None
    reference: bytes | None
    options: Options


def normalise_headers(headers: Mapping[str, object]) -> dict[str, str]:
    """Return headers by lower-case name, without entries that describe multipart parts."""
    return {name.lower(): value for name, value in headers.items() if isinstance(value, str)}


def request_id(headers: Headers) -> str:
    """Return the caller's `X-Request-Id` where it is harmless in logs, else one of our own."""
    label = headers.get("x-request-id", "")
    return label if REQUEST_ID_PATTERN.fullmatch(label) else secrets.token_hex(8)


def is_upload(item: Item, headers: Headers, stage: str) -> bool:
    """Return whether a request brings a picture.

    At the first node the header `X-Restore-Door: envelope` says that it brings an envelope. At all others every JSON
    object is an envelope, because no picture starts with a brace.
    """
    if stage == "preprocess":
        return headers.get("x-restore-door") != "envelope"
    return not any(
        isinstance(value, dict) or _as_bytes(value)[:1] == b"{" for value in _parents(item).values()
    )


def is_alone(item: Item, headers: Headers, stage: str) -> bool:
    """Return whether this stage is to answer with the picture itself, outside the workflow.

    `preprocess` cannot tell the workflow from a call of its own: the header `X-Restore-Door: stage` does.
    """
    is_told = headers.get("x-restore-door") == "stage"
    return is_upload(item, headers, stage) and (is_told or stage != "preprocess")


def read_upload(item: Item, headers: Headers) -> Upload:
    """Read a picture from the body, or from the part `image` beside `mask` and `options`.

    Options come from the part `options`, else from the header `X-Restore-Options`.

    Raises:
        UnsupportedOption: unknown parts or bad options.
        NotAnImage: there is no picture.
    """
    parts = {"image": item["body"]} if "body" in item else item
    unknown = sorted(parts.keys() - set(PARTS))
    if unknown:
        raise UnsupportedOption(f"unknown part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if not parts.get("image"):
        raise NotAnImage("no picture was sent; expected it as the body, with its type in Content-Type")
    text = _as_text(parts["options"]) if "options" in parts else headers.get("x-restore-options", "")
    options = Options.from_json(text) if text.strip() else Options()
    mask = _as_bytes(parts["mask"]) if "mask" in parts else None
    reference = _as_bytes(parts["reference"]) if "reference" in parts else None
    return Upload(_as_bytes(parts["image"]), mask, reference, options)


def read_envelope(item: Item) -> Envelope:
    """Read the envelope in the body, or the union of those of several parents.

    Raises:
        BrokenArtifact: not an envelope.
    """
    parents = [Envelope.from_json(value) for value in _parents(item).values()]
    return merge(parents)


def _parents(item: Item) -> dict[str, Body]:
    """Envelopes by the name of their node, in the order of the pipeline; `body` where there is one parent."""
    if "body" in item:
        return {"body": item["body"]}
    by_stage = {name.rsplit("__", 1)[-1]: value for name, value in item.items()}
    return {stage: by_stage[stage] for stage in STAGES if stage in by_stage}


def _as_bytes(value: object) -> bytes:
    if isinstance(value, str):  # TorchServe decodes parts of type text/*
        return value.encode()
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else b""


def _as_text(value: object) -> str:
    if isinstance(value, dict):
        raise UnsupportedOption("options must be sent as text")
    return _as_bytes(value).decode(errors="replace")
