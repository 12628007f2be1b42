"""How slowly callers may send and read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """A transfer may take `grace_s`, and a second more for each `bytes_s` transferred."""

    grace_s: float
    bytes_s: float
