"""Define what `deliver` reports of the file that it made. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class DeliverFindings(Findings):
    """The result's file.

    Attributes:
        content_type: its media type.
        bytes: its length.
    """

    content_type: str
    bytes: int
