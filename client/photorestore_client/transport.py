"""Requests over HTTP: one session with its pool of connections, limits of time, tries, errors."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from photorestore_client.errors import Busy, RestoreError, TimedOut, Unreachable, problem
from photorestore_client.retry import Retry, parse_retry_after
from photorestore_client.upload import UnreadableError, Upload

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds.

    Attributes:
        connect_s: to get a connection; also the longest that an upload may stand still.
        read_s: the longest that an answer may keep the caller waiting between two bytes.
        total_s: for a call as a whole, with all its tries and waits.
    """

    connect_s: float = 5.0
    read_s: float = 150.0
    total_s: float = 600.0

    def __post_init__(self) -> None:
        if min(self.connect_s, self.read_s, self.total_s) <= 0:
            raise ValueError(f"expected limits above 0 s, not {self}")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        method: of HTTP.
        path: of the URL, with its leading slash.
        query: parameters of the URL.
        headers: besides those that each request has.
        body: read anew for each try.
        request_id: label for the service's log; None = made here.
        read_s: raises the limit of the same name.
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
    """What came back, with a status below 300."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    request_id: str

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def document(self) -> dict[str, Any]:
        """The JSON object that it is.

        Raises:
            Unreachable: it is something else.
        """
        try:
            document = json.loads(self.content)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Unreachable("the service answered without a JSON object", request_id=self.request_id)
        return document


class Transport:
    """Sends requests to one service. For any number of threads.

    Args:
        base_url: where the service listens; may have a path.
        api_key: sent as a bearer token.
        timeouts: limits of time.
        retry: when a request is sent again.
        connections: how many are kept open.

    Raises:
        ValueError: `base_url` is no URL of HTTP.
    """

    def __init__(
        self, base_url: str, *, api_key: str | None, timeouts: Timeouts, retry: Retry, connections: int
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"expected a URL like http://127.0.0.1:8000, not {base_url!r}")
        self._base_url = base_url.rstrip("/")
        self._timeouts = timeouts
        self._retry = retry
        self._rng = random.SystemRandom()
        self._closed = threading.Event()
        self._has_answered = False
        self._session = _session(api_key, connections)

    def close(self) -> None:
        """Close all connections; calls that wait for their next try end with the last error."""
        self._closed.set()
        self._session.close()

    def send(self, request: Request) -> Answer:
        """Send it until it is answered or there is no point in going on.

        Raises:
            Problem: the service refuses.
            Unreachable: there is no answer of the service.
            OSError: the body cannot be read.
            ValueError: a header cannot be sent, for example one with a line break.
        """
        began = time.monotonic()
        deadline = began + self._timeouts.total_s
        request_id = request.request_id or uuid.uuid4().hex
        tries = 0
        while True:
            tries += 1
            try:
                return self._try(request, request_id, deadline)
            except _PassingError as passing:
                starts_again = passing.refused and time.monotonic() - began < self._retry.restart_s
                if passing.counted and tries >= self._retry.tries and not starts_again:
                    raise passing.error from passing.__cause__
                wait_s = self._retry.wait_s(tries, self._rng, passing.retry_after_s)
                if time.monotonic() + wait_s >= deadline or self._closed.wait(wait_s):
                    raise passing.error from passing.__cause__

    def _try(self, request: Request, request_id: str, deadline: float) -> Answer:
        try:
            with self._post(request, request_id, deadline) as response:
                content = _read(response, deadline, request_id)
        except UnreadableError as error:
            raise (error.__cause__ or error) from None
        except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
            raise TimedOut("the service took too long to answer", request_id=request_id) from error
        except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL) as error:
            raise ValueError(str(error)) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            refused = self._has_answered and _is_refused(error)
            raise _PassingError(Unreachable(str(error), request_id=request_id), refused=refused) from error
        self._has_answered = True
        return _understand(response, content, request_id)

    def _post(self, request: Request, request_id: str, deadline: float) -> requests.Response:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimedOut("the time for all tries is over", request_id=request_id)
        headers = {**request.headers, "X-Request-Id": request_id}
        if request.body is not None:
            headers["Content-Type"] = request.body.content_type
        return self._session.request(
            request.method,
            self._base_url + request.path,
            params=dict(request.query),
            headers=headers,
            data=request.body or b"",  # an empty file has no chunks to stream
            timeout=(
                min(self._timeouts.connect_s, left_s),
                min(max(self._timeouts.read_s, request.read_s), left_s),
            ),
            allow_redirects=False,  # a redirected POST would become a GET
            stream=True,
        )


class _PassingError(Exception):
    """An error that may be gone at the next try.

    Attributes:
        error: what the caller sees if it is not.
        retry_after_s: how long the service asks to wait.
        counted: whether the number of tries is limited.
        refused: whether a service that has answered before takes no connection.
    """

    def __init__(
        self,
        error: RestoreError,
        *,
        retry_after_s: float | None = None,
        counted: bool = True,
        refused: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after_s = retry_after_s
        self.counted = counted
        self.refused = refused


def _is_refused(error: Exception) -> bool:
    """Whether nothing was sent, because there was nobody to send it to."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


class _Bearer(AuthBase):
    """Also keeps requests from taking credentials out of a `.netrc`."""

    def __init__(self, api_key: str | None) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._api_key is not None:
            request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


def _session(api_key: str | None, connections: int) -> requests.Session:
    session = requests.Session()
    session.auth = _Bearer(api_key)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # threads share no state
    session.headers["Accept-Encoding"] = "identity"  # pictures do not shrink
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _read(response: requests.Response, deadline: float, request_id: str) -> bytes:
    """The body, as it comes, so that a trickle does not outlast the deadline."""
    read: Callable[[int, bool], bytes] = response.raw.read1
    content = bytearray()
    while chunk := read(CHUNK_BYTES, True):
        content += chunk
        if time.monotonic() > deadline:
            raise TimedOut("the answer came too slowly", request_id=request_id)
    return bytes(content)


def _understand(response: requests.Response, content: bytes, request_id: str) -> Answer:
    answer = Answer(
        response.status_code,
        response.headers,
        content,
        request_id=response.headers.get("X-Request-Id", request_id),
    )
    if answer.status < 300:
        return answer
    if answer.status in (301, 302, 303, 307, 308):
        target = response.headers.get("Location", "elsewhere")
        raise Unreachable(f"the service sends to {target}", request_id=answer.request_id)
    raise _error(answer)


def _error(answer: Answer) -> Exception:
    retry_after_s = parse_retry_after(answer.headers.get("Retry-After"))
    if answer.status == 502 or (answer.status >= 500 and not _is_problem(answer)):
        error: RestoreError = Unreachable(_refusal(answer), request_id=answer.request_id)
        return _PassingError(error, retry_after_s=retry_after_s) if answer.status in (502, 503) else error
    error = problem(_problem_document(answer), request_id=answer.request_id)
    if isinstance(error, Busy) and answer.status in (429, 503):
        is_counted = answer.status != 429 and retry_after_s is None
        return _PassingError(error, retry_after_s=retry_after_s, counted=is_counted)
    return error


def _problem_document(answer: Answer) -> dict[str, Any]:
    """What the service says, or what its status alone says."""
    if _is_problem(answer):
        return {"status": answer.status, **answer.document()}
    return {"status": answer.status, "detail": _refusal(answer)}


def _is_problem(answer: Answer) -> bool:
    try:
        document = answer.document()
    except Unreachable:
        return False
    if answer.content_type == "application/problem+json":
        return True
    return isinstance(document.get("type"), str) and "status" in document


def _refusal(answer: Answer) -> str:
    text = answer.content[:200].decode(errors="replace").strip()
    return f"the service answered {answer.status} {text}".rstrip()
