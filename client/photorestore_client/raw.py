"""A client for a service without the REST edge: TorchServe's workflow, whose answers always have status 200."""

from __future__ import annotations

import json
from typing import Any

from photorestore_client.closing import Closing
from photorestore_client.connections import Blocking
from photorestore_client.errors import Unreachable, problem
from photorestore_client.messages import Answer, Request
from photorestore_client.results import Restored
from photorestore_client.retry import Retry
from photorestore_client.signatures import HEAD_BYTES, media_type
from photorestore_client.tries import Timeouts, Tries
from photorestore_client.upload import Picture, upload


class RawClient(Closing):
    """A client of the workflow of one TorchServe. It can be shared by any number of threads.

    Args:
        base_url: where TorchServe listens.
        timeouts: limits for connecting, for reading, and for a call with all its tries.
        retry: when a request is sent again.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        timeouts: Timeouts | None = None,
        retry: Retry | None = None,
    ) -> None:
        self._tries = Tries(timeouts or Timeouts(), retry or Retry())
        self._connections = Blocking(base_url, api_key=None, connections=16)

    def restore(
        self, picture: Picture, *, mask: Picture | None = None, request_id: str | None = None, **options: Any
    ) -> Restored:
        """Restore one picture.

        Args:
            picture: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC or JPEG 2000.
            mask: a picture of the same size; white parts are filled, all else stays as it is.
            request_id: a label for the service's log.
            **options: members of the header `X-Restore-Options`, for example `stages=["denoise"]`.

        Raises:
            Problem: the service says why it could not.
            Unreachable: the service did not answer.
            OSError: a file cannot be read.
        """
        headers = {"X-Restore-Options": json.dumps(options)} if options else {}
        request = Request(
            "POST",
            "/wfpredict/restore",
            headers=headers,
            body=upload(picture, mask=mask),
            request_id=request_id,
        )
        return _understand(self._connections.run(self._tries.send(request)))

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()


def _understand(answer: Answer) -> Restored:
    """Tell picture and problem apart by the body: a workflow loses the stages' status and media type."""
    if answer.content.startswith(b"{"):
        document = answer.document()
        if not isinstance(document.get("type"), str) or "status" not in document:
            raise Unreachable(f"the service answered {str(document)[:200]}", request_id=answer.request_id)
        raise problem(document, request_id=answer.request_id)
    content_type = media_type(answer.content[:HEAD_BYTES]) or "application/octet-stream"
    return Restored(answer.content, content_type, answer.request_id)
