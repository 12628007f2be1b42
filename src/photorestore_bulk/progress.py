"""What a run says of itself: a line now and then, and a sum at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from typing import Self, TextIO

from photorestore.errors import printable
from photorestore_bulk.restorer import Row

EVERY_S = 5.0
"""Seconds between two lines."""


class Progress:
    """Counts pictures, and as a context prints how far the run is, every few seconds.

    Attributes:
        problems: how many pictures have none of a result, by type of problem.
        restored: how many have one.
        pixels: of the results.

    Args:
        total: pictures of this run.
        total_bytes: of their sources, by which the time that is left is estimated.
        quiet: print problems only.
        out, err: where lines and problems go.
    """

    def __init__(
        self,
        total: int,
        total_bytes: int,
        *,
        quiet: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.problems: Counter[str] = Counter()
        self.restored = self.pixels = self._bytes = 0
        self._total, self._total_bytes, self._quiet = total, total_bytes, quiet
        self._out, self._err = out or sys.stdout, err or sys.stderr
        self._began = time.monotonic()
        self._worked_from: float | None = None
        self._over = threading.Event()
        self._telling = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Self:
        if not self._quiet:
            self._telling.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if not self._quiet:
            self._telling.join()

    def add(self, row: Row) -> None:
        """Count a picture; print its problem."""
        if self._worked_from is None:  # actors load networks before the first picture
            self._worked_from = max(self._began, time.monotonic() - float(str(row["ago_s"])))
        self._bytes += int(str(row["source_bytes"]))
        if row["problem"]:
            self.problems[str(row["problem"])] += 1
            print(printable(f"{row['key']}: {row['problem']}: {row['detail']}"), file=self._err, flush=True)
        else:
            self.restored += 1
            self.pixels += int(str(row["pixels"]))

    def line(self, now: float) -> str:
        """Return how far the run is at a moment of the monotonic clock."""
        seen = self.restored + self.problems.total()
        if self._worked_from is None:
            return f"0/{self._total} pictures, for {duration(now - self._began)}"
        worked_s = max(now - self._worked_from, 1e-3)
        left_s = worked_s * (self._total_bytes - self._bytes) / self._bytes if self._bytes else 0
        return (
            f"{seen}/{self._total} pictures, {self.pixels / 1e6 / worked_s:.2f} megapixels/s, "
            f"{self.problems.total()} problems, {duration(left_s)} left"
        )

    def end(self) -> None:
        """Print the sum."""
        if not self._quiet:
            now = time.monotonic()
            worked_s = max(now - (self._worked_from or now), 1e-3)
            print(
                f"{self.restored} restored, {self.problems.total()} problems in {duration(now - self._began)}, "
                f"{self.pixels / 1e6 / worked_s:.2f} megapixels/s",
                file=self._out,
                flush=True,
            )

    def _tell(self) -> None:
        while not self._over.wait(EVERY_S):
            print(self.line(time.monotonic()), file=self._out, flush=True)


def duration(seconds: float) -> str:
    """Return a length of time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
