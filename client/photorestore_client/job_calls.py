"""The calls of the REST edge that concern jobs, as steps."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Unpack
from urllib.parse import quote

from photorestore_client.answers import as_job, as_restored
from photorestore_client.errors import JobCancelled, Problem, problem
from photorestore_client.messages import Request
from photorestore_client.options import Options, query
from photorestore_client.orders import Order, as_body, as_jobs, check_psf
from photorestore_client.polling import wait_for_end
from photorestore_client.results import Job, Restored
from photorestore_client.sending import Sending
from photorestore_client.steps import Steps
from photorestore_client.upload import Picture


class JobCalls(Sending):
    """The calls that submit jobs, follow them and fetch their results."""

    def submit(
        self,
        picture: Picture,
        *,
        mask: Picture | None = None,
        reference: Picture | None = None,
        idempotency_key: str | None = None,
        webhook: str | None = None,
        result: str | None = None,
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
            result: a URL to which the service writes the result, too, if it allows that.
            request_id: as for `restore`.
            **options: see `Options`; without `timeout` the service takes its longest.

        Raises:
            Conflict: the key was used for another picture or other options.
            Problem, Unreachable, OSError: as `restore`.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        asked = {**options, "webhook": webhook, "result": result}
        return as_job(
            (yield from self._send_picture("/v1/jobs", picture, mask, reference, request_id, headers, asked))
        )

    def submit_from(
        self,
        source: str,
        *,
        result: str | None = None,
        idempotency_key: str | None = None,
        webhook: str | None = None,
        request_id: str | None = None,
        **options: Unpack[Options],
    ) -> Steps[Job]:
        """Submit a picture that the service fetches, and do not wait for its result.

        Args:
            source: URL of the picture: `s3://`, `gs://` or a presigned `https://`, as the service's operator allows.
            result: as for `submit`.
            idempotency_key: as for `submit`.
            webhook: as for `submit`.
            request_id: as for `restore`.
            **options: as for `submit`; `psf` only in words.

        Raises:
            BadOption: the service does not allow the place.
            Conflict, Problem, Unreachable: as `submit`.
            ValueError: `psf` is a picture.
        """
        check_psf(options)
        asked = query({**options, "source": source, "result": result, "webhook": webhook})
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        sent = Request("POST", "/v1/jobs", query=asked, headers=headers, request_id=request_id)
        return as_job((yield from self._tries.send(sent)))

    def submit_all(
        self, orders: Sequence[Order], *, request_id: str | None = None, **options: Unpack[Options]
    ) -> Steps[list[Job | Problem]]:
        """Submit many pictures that the service fetches; return of each its job, or the problem why there is none.

        A problem raises nothing. One that is `Busy` may be submitted again.

        Args:
            orders: 1 to 100 of them.
            request_id: as for `restore`.
            **options: of all jobs; `psf` only in words.

        Raises:
            Problem, Unreachable: as `restore`: nothing is known of any job, and the same orders may be submitted again.
            ValueError: there are too many orders, or none, or `psf` is a picture.
        """
        body = as_body(orders, options)
        sent = Request("POST", "/v1/jobs/batch", body=body, request_id=request_id)
        return as_jobs((yield from self._tries.send(sent)), len(orders))

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
        return (
            yield from self.result((yield from self.follow(job, timeout_s=timeout_s, on_change=on_change)))
        )

    def follow(
        self, job: Job | str, *, timeout_s: float = 3600.0, on_change: Callable[[Job], None] | None = None
    ) -> Steps[Job]:
        """Wait until a job has succeeded; return it, and fetch nothing, as where its result is written elsewhere.

        Args:
            job: as for `wait`.
            timeout_s: as for `wait`.
            on_change: as for `wait`.

        Raises:
            TimedOut, JobCancelled, Problem, Unreachable: as `wait`.
        """
        ended = yield from wait_for_end(lambda: self.job(job), timeout_s, on_change)
        if ended.state == "cancelled":
            raise JobCancelled(f"job {ended.id} has been cancelled", request_id=ended.request_id)
        if ended.state == "failed":
            document = ended.problem or {"status": 500, "detail": f"job {ended.id} failed"}
            raise problem(document, request_id=ended.request_id)
        return ended

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


def _path(job: Job | str) -> str:
    return f"/v1/jobs/{quote(job.id if isinstance(job, Job) else job, safe='')}"
