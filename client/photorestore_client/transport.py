"""The transport: sends requests over pooled connections, within time limits, with repeated tries."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from photorestore_client.errors import TimedOut, Unreachable
from photorestore_client.messages import Answer, Request
from photorestore_client.refusals import PassingError, error_of
from photorestore_client.retry import Retry
from photorestore_client.upload import UnreadableError

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds.

    Attributes:
        connect_s: for connecting, and for each pause of an upload.
        read_s: for each pause of an answer.
        total_s: for a call as a whole, with all its tries and waits.
    """

    connect_s: float = 5.0
    read_s: float = 150.0
    total_s: float = 600.0

    def __post_init__(self) -> None:
        if min(self.connect_s, self.read_s, self.total_s) <= 0:
            raise ValueError(f"expected limits above 0 s, not {self}")


class Transport:
    """Sends requests to one service. It can be shared by any number of threads.

    Args:
        base_url: where the service listens; may have a path.
        api_key: sent as a bearer token.
        timeouts: time limits.
        retry: when a request is sent again.
        connections: how many connections are kept open.

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
        """Close all connections; calls that wait for their next try raise their last error."""
        self._closed.set()
        self._session.close()

    def send(self, request: Request) -> Answer:
        """Send a request, again if need be; return its answer, whose status is below 300.

        Raises:
            Problem: the service refuses the request.
            Unreachable: the service does not answer.
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
            except PassingError as passing:
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
            raise PassingError(Unreachable(str(error), request_id=request_id), refused=refused) from error
        self._has_answered = True
        request_id = response.headers.get("X-Request-Id", request_id)
        answer = Answer(response.status_code, response.headers, content, request_id)
        if answer.status >= 300:
            raise error_of(answer)
        return answer

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


def _is_refused(error: Exception) -> bool:
    """Return whether the connection was refused, so that nothing was sent."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


class _Bearer(AuthBase):
    """Sends the API key; also keeps requests from using credentials of a `.netrc`."""

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
    """Read the body as it arrives, so that a trickle does not outlast the deadline."""
    read: Callable[[int, bool], bytes] = response.raw.read1
    content = bytearray()
    while chunk := read(CHUNK_BYTES, True):
        content += chunk
        if time.monotonic() > deadline:
            raise TimedOut("the answer came too slowly", request_id=request_id)
    return bytes(content)
