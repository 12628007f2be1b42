"""Define what `face` reports of the faces that it found. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.findings import Findings


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face and what became of it.

    Attributes:
        box: left, top, right, bottom in pixels of the upright upload.
        score: how sure it is that it is a face, 0 to 1.
        refined: whether it was refined.
        reason: why it was not, in words; else empty.
    """

    box: tuple[int, int, int, int]
    score: float
    refined: bool
    reason: str


@dataclass(frozen=True, slots=True)
class FaceFindings(Findings):
    """The faces of a picture, the surest first."""

    faces: tuple[FoundFace, ...]
