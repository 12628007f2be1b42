"""Requests to the service and its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from photorestore_client.errors import Unreachable
from photorestore_client.upload import Upload


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the service.

    Attributes:
        method: HTTP method.
        path: path of the URL, with its leading slash.
        query: parameters of the URL.
        headers: headers beside those that each request has.
        body: read again for each try.
        request_id: label for the service's log; None for a random one.
        read_s: raises `Timeouts.read_s` to this, if it is lower.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Upload | None = None
    request_id: str | None = None
    read_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the service."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    request_id: str

    @property
    def content_type(self) -> str:
        """Return the media type without its parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def document(self) -> dict[str, Any]:
        """Return the JSON object in the answer.

        Raises:
            Unreachable: the content is something else.
        """
        try:
            document = json.loads(self.content)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Unreachable("the service answered without a JSON object", request_id=self.request_id)
        return document
