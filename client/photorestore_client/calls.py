"""The calls of the REST edge, as steps; `client` makes methods of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Unpack

from photorestore_client.answers import as_bundle, as_restored
from photorestore_client.errors import BadPicture
from photorestore_client.job_calls import JobCalls
from photorestore_client.messages import Request
from photorestore_client.options import Options
from photorestore_client.results import Analysis, Bundle, Restored, Service
from photorestore_client.steps import Steps
from photorestore_client.upload import Picture


class Calls(JobCalls):
    """The calls of one client."""

    def restore(
        self,
        picture: Picture,
        *,
        mask: Picture | None = None,
        reference: Picture | None = None,
        accept: str | None = None,
        if_none_match: str | None = None,
        request_id: str | None = None,
        **options: Unpack[Options],
    ) -> Steps[Restored]:
        """Restore one picture. A file is streamed, never read as a whole.

        Args:
            picture: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC or JPEG 2000.
            mask: a picture of the same size; white parts are filled, all else stays as it is.
            reference: a photograph whose colours the picture is to get, see the option `colorize`.
            accept: media types to choose from, as in the header `Accept`; the option `format` overrides it.
            if_none_match: `etag` of a result that the caller has; `Unchanged` is raised if it would be the same.
            request_id: a label for the service's log: up to 128 of A-Z, a-z, 0-9, `.`, `_`, `-`.
            **options: see `Options`.

        Raises:
            Problem: the service says why it could not; the package's docstring shows the kinds.
            Unreachable: the service did not answer.
            OSError: a file cannot be read.
        """
        headers = {"Accept": accept, "If-None-Match": if_none_match}
        return as_restored(
            (
                yield from self._send_picture(
                    "/v1/restore", picture, mask, reference, request_id, headers, options
                )
            )
        )

    def check(self, **options: Unpack[Options]) -> Steps[None]:
        """Ask whether the service takes these options, without a picture.

        Raises:
            BadOption: it does not; the message names all that is wrong.
            Problem, Unreachable: as `restore`.
        """
        with suppress(BadPicture):  # there is none: all else was right
            yield from self._send_picture("/v1/restore", b"", None, None, None, {}, options)

    def bundle(
        self,
        picture: Picture,
        *,
        mask: Picture | None = None,
        reference: Picture | None = None,
        request_id: str | None = None,
        **options: Unpack[Options],
    ) -> Steps[Bundle]:
        """Restore one picture; return it with the mask of its damage and the report of the stages.

        Args:
            picture: as for `restore`.
            mask: as for `restore`.
            reference: as for `restore`.
            request_id: as for `restore`.
            **options: see `Options`.

        Raises:
            Problem, Unreachable, OSError: as `restore`.
        """
        wanted = {**options, "return": "bundle"}
        return as_bundle(
            (yield from self._send_picture("/v1/restore", picture, mask, reference, request_id, {}, wanted))
        )

    def analyze(
        self, picture: Picture, *, request_id: str | None = None, timeout: float | None = None
    ) -> Steps[Analysis]:
        """Return what the service finds in a picture, without restoring it.

        Args:
            picture: as for `restore`.
            request_id: as for `restore`.
            timeout: seconds that the service may take.

        Raises:
            Problem, Unreachable, OSError: as `restore`.
        """
        answer = yield from self._send_picture(
            "/v1/analyze", picture, None, None, request_id, {}, {"timeout": timeout}
        )
        document = answer.document()
        return Analysis(document.get("source", {}), document.get("found", {}), answer.request_id)

    def stages(self) -> Steps[Service]:
        """Return the stages of the service's pipeline, its options, limits and version.

        Raises:
            Problem, Unreachable: as `restore`.
        """
        return Service.from_document((yield from self._tries.send(Request("GET", "/v1/stages"))).document())

    def metrics(self) -> Steps[str]:
        """Return the service's metrics in the text format of Prometheus.

        Raises:
            Problem, Unreachable: as `restore`.
        """
        answer = yield from self._tries.send(Request("GET", "/metrics", headers={"Accept": "text/plain"}))
        return answer.content.decode(errors="replace")
