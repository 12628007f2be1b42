"""The client: a picture in, the restored picture out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from photorestore_client.errors import Unreachable, problem

Picture = bytes | str | PathLike[str]
"""The bytes of a picture's file, or where it lies."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"RIFF", "image/webp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored picture.

    Attributes:
        content: the file's bytes.
        content_type: its media type.
    """

    content: bytes
    content_type: str

    def save(self, path: str | PathLike[str]) -> None:
        """Write the picture to a file."""
        Path(path).write_bytes(self.content)


class Client:
    """Talks to one service; reuses its connections. One thread at a time.

    Args:
        base_url: where the service listens.
        timeout_s: how long an answer may take.
    """

    def __init__(self, base_url: str = "http://127.0.0.1:8080", *, timeout_s: float = 300.0) -> None:
        self._url = f"{base_url.rstrip('/')}/wfpredict/restore"
        self._timeout_s = timeout_s
        self._session = requests.Session()

    def restore(
        self, picture: Picture, *, mask: Picture | None = None, request_id: str | None = None, **options: Any
    ) -> Restored:
        """Restore one picture.

        Args:
            picture: JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF.
            mask: a picture of the same size; what is white in it is filled, all else stays as it is.
            request_id: a label for the service's log: up to 128 of A-Z, a-z, 0-9, `.`, `_`, `-`.
            **options: as in the service's README, for example `stages=["denoise"]`, `format="png"`.

        Raises:
            Problem: the service says why it could not; see `errors` for the kinds.
            Unreachable: there was no answer of the service.
            OSError: a file cannot be read.
        """
        headers = {"X-Restore-Options": json.dumps(options)} if options else {}
        if request_id is not None:
            headers["X-Request-Id"] = request_id
        image = _read(picture)
        if mask is None:
            return self._post(headers | {"Content-Type": "application/octet-stream"}, data=image)
        return self._post(headers, files={"image": ("image", image), "mask": ("mask", _read(mask))})

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _post(self, headers: dict[str, str], **body: Any) -> Restored:
        try:
            answer = self._session.post(self._url, headers=headers, timeout=self._timeout_s, **body)
        except requests.RequestException as error:
            raise Unreachable(str(error)) from error
        return _understand(answer)


def _understand(answer: requests.Response) -> Restored:
    """Inside a workflow status and media type are lost, so the body tells what it is."""
    content = answer.content
    if content.startswith(b"{"):
        raise problem(_as_document(answer))
    if not answer.ok:
        raise Unreachable(f"the service answered {answer.status_code} {answer.reason}")
    return Restored(content, _media_type(content))


def _as_document(answer: requests.Response) -> dict[str, Any]:
    try:
        document = json.loads(answer.content)
    except ValueError as error:
        raise Unreachable(f"the service answered {answer.status_code} and no document") from error
    if not isinstance(document.get("type"), str) or "status" not in document:
        raise Unreachable(f"the service answered {answer.status_code}: {str(document)[:200]}")
    return dict(document)


def _media_type(content: bytes) -> str:
    if content[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return next(
        (name for start, name in _SIGNATURES if content.startswith(start)), "application/octet-stream"
    )


def _read(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()
