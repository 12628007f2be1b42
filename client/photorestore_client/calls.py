"""The calls of the REST edge, as steps; `client` makes methods of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Unpack
from urllib.parse import quote

from photorestore_client.answers import as_bundle, as_job, as_restored
from photorestore_client.errors import BadPicture, JobCancelled, problem
from photorestore_client.messages import Answer, Request
from photorestore_client.options import Options, query
from photorestore_client.polling import wait_for_end
from photorestore_client.results import Analysis, Bundle, Job, Restored, Service
from photorestore_client.steps import Steps
from photorestore_client.tries import Tries
from photorestore_client.upload import Picture, upload

GRACE_S = 15.0  # added to the option `timeout`: the answer may come a little later than it allows


class Calls:
    """The calls of one client."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries

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

    def submit(
        self,
        picture: Picture,
        *,
        mask: Picture | None = None,
        reference: Picture | None = None,
        idempotency_key: str | None = None,
        webhook: str | None = None,
        request_id: str | None = None,
        **options: Unpack[Options],
    ) -> Steps[Job]:
        """Submit a picture as a job, and do not wait for its result.

        Args:
            picture: as for `restore`.
            mask: as for `restore`.
            reference: as for `restore`.
            idempotency_key: the same key gives the same job, however often it is submitted; None makes one new job,
                even if the request has to be sent more than once.
            webhook: a URL to which the service posts the job at its end, if it allows that.
            request_id: as for `restore`.
            **options: see `Options`; without `timeout` the service takes its longest.

        Raises:
            Conflict: the key was used for another picture or other options.
            Problem, Unreachable, OSError: as `restore`.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        asked = {**options, "webhook": webhook}
        return as_job(
            (yield from self._send_picture("/v1/jobs", picture, mask, reference, request_id, headers, asked))
        )

    def job(self, job: Job | str) -> Steps[Job]:
        """Return the present state of a job.

        Raises:
            NotFound: there is no such job.
            Problem, Unreachable: as `restore`.
        """
        return as_job((yield from self._tries.send(Request("GET", _path(job)))))

    def wait(
        self, job: Job | str, *, timeout_s: float = 3600.0, on_change: Callable[[Job], None] | None = None
    ) -> Steps[Restored]:
        """Wait until a job has ended; return its picture.

        Args:
            job: what `submit` returned, or its id.
            timeout_s: how long to wait. The job continues after that.
            on_change: called with the job each time that it has changed.

        Raises:
            TimedOut: the job has not ended in time.
            JobCancelled: the job was cancelled.
            Problem: the job failed.
            Unreachable: as `restore`.
        """
        ended = yield from wait_for_end(lambda: self.job(job), timeout_s, on_change)
        if ended.state == "cancelled":
            raise JobCancelled(f"job {ended.id} has been cancelled", request_id=ended.request_id)
        if ended.state == "failed":
            document = ended.problem or {"status": 500, "detail": f"job {ended.id} failed"}
            raise problem(document, request_id=ended.request_id)
        return (yield from self.result(ended))

    def result(self, job: Job | str) -> Steps[Restored]:
        """Return the picture of a job.

        Raises:
            Conflict: the job has not succeeded.
            NotFound: there is no such job, or its result was deleted to make room for later ones.
            Problem, Unreachable: as `restore`.
        """
        return as_restored((yield from self._tries.send(Request("GET", f"{_path(job)}/result"))))

    def cancel(self, job: Job | str) -> Steps[None]:
        """Cancel a job, whether it has begun or not. One that has ended is deleted with its result.

        Raises:
            NotFound: there is no such job.
            Problem, Unreachable: as `restore`.
        """
        yield from self._tries.send(Request("DELETE", _path(job)))

    def metrics(self) -> Steps[str]:
        """Return the service's metrics in the text format of Prometheus.

        Raises:
            Problem, Unreachable: as `restore`.
        """
        answer = yield from self._tries.send(Request("GET", "/metrics", headers={"Accept": "text/plain"}))
        return answer.content.decode(errors="replace")

    def _send_picture(
        self,
        path: str,
        picture: Picture,
        mask: Picture | None,
        reference: Picture | None,
        request_id: str | None,
        headers: Mapping[str, str | None],
        options: Mapping[str, Any],
    ) -> Steps[Answer]:
        timeout_s, psf = options.get("timeout"), options.get("psf")
        has_picture = psf is not None and not isinstance(psf, str)  # of the blur; words go into the query
        return self._tries.send(
            Request(
                "POST",
                path,
                query=query({**options, "psf": None} if has_picture else options),
                headers={name: value for name, value in headers.items() if value is not None},
                body=upload(picture, mask=mask, psf=psf if has_picture else None, reference=reference),
                request_id=request_id,
                read_s=0.0 if timeout_s is None else float(timeout_s) + GRACE_S,
            )
        )


def _path(job: Job | str) -> str:
    return f"/v1/jobs/{quote(job.id if isinstance(job, Job) else job, safe='')}"
