"""The time of the jobs: steps of the machine's clock neither end nor lengthen what it measures."""

from __future__ import annotations

import time

_OFFSET_S = time.time() - time.monotonic()


def now() -> float:
    """Unix time in seconds: the wall clock's as this process started, and what the monotonic clock has counted since.

    Records need a time that means something after a restart. A wall clock that is set while the process runs would
    make results expire early, and waits end at once or never.
    """
    return _OFFSET_S + time.monotonic()
