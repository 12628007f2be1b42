"""The progress of a run: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from photorestore_client.bulk import Did, Outcome
from photorestore_client.errors import RestoreError
from photorestore_client.plan import LeftOut


class Progress:
    """Shows outcomes and counts them.

    Attributes:
        seen: how many pictures have an outcome.

    Args:
        total: the number of pictures.
        quiet: show failures only.
        out: where lines and the summary go.
        err: where the bar and the failures go.
    """

    def __init__(
        self, total: int, *, quiet: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.counts: Counter[Did] = Counter()
        self._out, self._err = out or sys.stdout, err or sys.stderr
        self._quiet = quiet
        self._left_out = 0
        self.seen = 0
        self._total, self._pixels, self._started = total, 0, time.monotonic()
        self._bar = (
            tqdm(total=total, unit="image", file=self._err, dynamic_ncols=True)
            if self._err.isatty() and not quiet
            else None
        )

    def add(self, outcome: Outcome) -> None:
        """Show and count an outcome."""
        self.seen += 1
        self.counts[outcome.did] += 1
        if outcome.did is Did.RESTORED:
            self._pixels += outcome.pixels
        if outcome.error is not None:
            self._line(f"{shown(outcome.work.source)}: {describe(outcome.error)}", self._err)
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._rate()}, {self.counts[Did.FAILED]} errors", refresh=False)
            self._bar.update()
        elif outcome.did in (Did.RESTORED, Did.COPIED) and not self._quiet:
            name = shown(outcome.work.source)
            self._line(f"{self.seen}/{self._total} {outcome.did.value} {name}, {self._rate()}", self._out)

    def leave_out(self, found: Sequence[LeftOut], *, strict: bool) -> None:
        """Show and count what is left out.

        Args:
            strict: whether it counts as a failure, and is shown even if only failures are.
        """
        for entry in found:
            if entry.has_failed:
                self.counts[Did.FAILED] += 1
                self._line(f"{shown(entry.path)}: {entry.why}", self._err)
            else:
                self._left_out += 1
                if strict or not self._quiet:
                    self._line(f"{shown(entry.path)} is left out: {entry.why}", self._err)

    def close(self) -> None:
        """End the bar and print a summary."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if not self._quiet:
            parts = [*(f"{self.counts[did]} {did.value}" for did in Did), f"{self._left_out} left out"]
            elapsed_s = time.monotonic() - self._started
            self._line(f"{', '.join(parts)} in {elapsed_s:.1f} s, {self._rate()}", self._out)

    def _rate(self) -> str:
        elapsed_s = max(time.monotonic() - self._started, 1e-3)
        return f"{self._pixels / 1e6 / elapsed_s:.2f} megapixels/s"

    def _line(self, text: str, file: TextIO) -> None:
        if self._bar is not None:
            self._bar.write(text, file=file)
        else:
            print(text, file=file, flush=True)


def shown(path: Path) -> str:
    """Return a path as a text of one line: line breaks and other control characters are written as in Python."""
    return "".join(repr(sign)[1:-1] if unicodedata.category(sign) == "Cc" else sign for sign in str(path))


def describe(error: Exception) -> str:
    """Return the error's text, with the request id that finds it in the service's log."""
    if isinstance(error, RestoreError) and error.request_id:
        return f"{error} (request {error.request_id})"
    return str(error)
