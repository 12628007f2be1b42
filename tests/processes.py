"""What tests of processes share."""

import time
from collections.abc import Callable
from pathlib import Path


def until(condition: Callable[[], object], longest_s: float = 60) -> None:
    """Wait until a condition holds; fail after so many seconds."""
    end = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (
        FileNotFoundError,
        ProcessLookupError,
    ):  # it ended before the file was opened, or before it was read
        return False
