"""The clock of the jobs: setting the machine's clock neither shortens nor lengthens what it measures."""

from __future__ import annotations

import time

_OFFSET_S = time.time() - time.monotonic()


def now() -> float:
    """Return the Unix time in seconds: the wall clock's at the start of this process plus the monotonic time since.

    Records need a time that still means something after a restart; but if the wall clock is set while the process
    runs, results would expire early, and waits would end at once or never.
    """
    return _OFFSET_S + time.monotonic()
