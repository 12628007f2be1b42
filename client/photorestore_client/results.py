"""The results of the service, as the client returns them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Self

ENDED = ("succeeded", "failed", "cancelled")
"""Final states of a job."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored picture.

    Attributes:
        content: the file's bytes.
        content_type: its media type.
        request_id: finds the request in the service's log.
        etag: for `if_none_match` of a later call; empty if the service sent none.
        stages_ms: milliseconds by stage, from `Server-Timing`.
    """

    content: bytes
    content_type: str
    request_id: str = ""
    etag: str = ""
    stages_ms: Mapping[str, float] = field(default_factory=dict)

    def open(self) -> BytesIO:
        """Return the picture as a file that is read from its beginning, for libraries that take one."""
        return BytesIO(self.content)

    def save(self, target: str | PathLike[str] | BinaryIO) -> None:
        """Write the picture to a file, which is replaced completely or not at all; or to an open file or stream.

        Raises:
            OSError: it cannot be written.
        """
        if not isinstance(target, str | PathLike):
            target.write(self.content)
            return
        target = Path(target)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            write_durably(part, self.content)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the service found in a picture.

    Attributes:
        source: format, size and depth of the upload.
        found: noise, fading, damage and the like, by the stage that found it.
        request_id: finds the request in the service's log.
    """

    source: Mapping[str, Any]
    found: Mapping[str, Any]
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A restored picture with what led to it.

    Attributes:
        restored: the picture.
        mask: PNG of the picture's size, white where damage was filled; None if the service made none.
        report: what each stage found and did.
        confidence: grey PNG of the picture's size that says how sure its new colours are: 255 = told by a hint or seen
            in a reference, 128 and less = guessed, 0 = as good as any other; None if no colours were asked for, or the
            service tells no such thing.
    """

    restored: Restored
    mask: bytes | None
    report: Mapping[str, Any]
    confidence: bytes | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the service's pipeline.

    Attributes:
        name: as the option `stages` takes it.
        details: all that the service says about it.
    """

    name: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """What the service offers.

    Attributes:
        stages: in the order of the pipeline.
        details: all else that the service says about itself.
    """

    stages: tuple[Stage, ...]
    details: Mapping[str, Any]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the answer of `/v1/stages`, whose `stages` is a list of objects with `name`, or objects by name."""
        listed = document.get("stages", ())
        if isinstance(listed, Mapping):
            listed = [{"name": name, **details} for name, details in listed.items()]
        stages = tuple(Stage(str(details["name"]), details) for details in listed)
        return cls(stages, {name: value for name, value in document.items() if name != "stages"})


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as it was when the service was asked.

    Attributes:
        id: the job's name in the service.
        state: `queued`, `running`, `succeeded`, `failed` or `cancelled`.
        progress: by stage: `waiting`, `running`, `ran` or `passed`; of a failed job only the stage that `failed`.
        problem: the problem document of a failed job.
        document: the whole answer of the service.
        request_id: finds the request in the service's log.
        ahead: jobs that begin before it, while it waits; else None.
        seconds_left: until its end, about, by how long others like it took; None if the service cannot tell.
    """

    id: str
    state: str
    progress: Mapping[str, Any]
    problem: Mapping[str, Any] | None
    document: Mapping[str, Any]
    request_id: str = ""
    ahead: int | None = None
    seconds_left: float | None = None

    @property
    def ended(self) -> bool:
        """Return whether its state is final."""
        return self.state in ENDED

    @classmethod
    def from_document(cls, document: Mapping[str, Any], *, request_id: str = "") -> Self:
        """Read the answer of `/v1/jobs` or `/v1/jobs/{id}`.

        Raises:
            KeyError: the id or the state is missing.
        """
        return cls(
            id=str(document["id"]),
            state=str(document["state"]),
            progress=document.get("progress") or {},
            problem=document.get("problem"),
            document=document,
            request_id=request_id,
            ahead=document.get("ahead"),
            seconds_left=document.get("seconds_left"),
        )


BETWEEN = ("receive", "hops", "total")
"""Entries of `Server-Timing` that are no stages."""


def parse_server_timing(text: str) -> Mapping[str, float]:
    """Return the milliseconds in the header `Server-Timing` by stage, without those of what lies between."""
    timings: dict[str, float] = {}
    for entry in text.split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "dur" and name not in BETWEEN:
                with suppress(ValueError):
                    timings[name] = float(value)
    return MappingProxyType(timings)


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and wait until the disk has it.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
