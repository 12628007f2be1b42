"""When a request is tried again, and after which wait."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential back-off with full jitter.

    A service that is busy (429), or that says when it will be back (503 with `Retry-After`), is tried for as long as
    the total time allows. Other errors that may pass (no connection, a dropped one, 502, 503) are tried `tries` times;
    but a service that has answered before, and now refuses connections, is given `restart_s` to restart. What is not
    counted uses up none of these tries.

    Attributes:
        tries: counted requests that fail before giving up; with 1 the first of them ends the call.
        first_s: the longest wait after the first try; it doubles with each.
        longest_s: no wait is longer than this, unless `Retry-After` says so.
        restart_s: seconds, from the call's beginning, in which a refused connection does not count.
    """

    tries: int = 6
    first_s: float = 0.5
    longest_s: float = 20.0
    restart_s: float = 60.0

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.first_s, self.longest_s, self.restart_s) < 0:
            raise ValueError(f"expected at least one try and waits of 0 s or more, not {self}")

    def wait_s(self, tries: int, rng: random.Random, retry_after_s: float | None = None) -> float:
        """Return the seconds to wait after that many tries.

        What `Retry-After` asks for is a lower bound. Jitter is added to it, so that callers who were refused together
        do not come back together.
        """
        ceiling_s = min(self.longest_s, self.first_s * 2 ** min(tries - 1, 32))
        return (retry_after_s or 0.0) + rng.uniform(0, ceiling_s)


def parse_retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that the header `Retry-After` asks for, at least 0; None if it is absent or unreadable.

    Args:
        text: a number of seconds, or an HTTP date.
        now: the present, with a time zone.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
