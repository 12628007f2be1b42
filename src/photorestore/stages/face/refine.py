"""Find the faces of a picture, refine those that gain by it, and say what was done and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.stages.face.detector import Face
from photorestore.stages.face.geometry import Alignment, align, cut, paste
from photorestore.stages.face.judgement import (
    Change,
    Limits,
    measure_change,
    reason_to_leave,
    reason_to_refuse,
)
from photorestore.stages.face.parts import Image, resized

VIEW_PX = 1600
"""Faces are looked for in a view whose longest side is at most this."""
SMALLEST_PX = 20.0
"""Faces below this are not found in the view."""
FACE_EYES = 2.0
"""A face is at least so many eye distances high."""
MOST_FACES = 64
"""At most so many faces are refined, which bounds memory and time for a crowd."""

Finder = Callable[[Tensor, float], list[Face]]
"""A `FaceDetector`, or what runs one."""
Refiner = Callable[[Tensor], Tensor]
"""(N, 3, 256, 256) upright faces to refined ones, such as a `FaceUNet`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one face.

    Attributes:
        face: where it is.
        refined: whether there is a `Patch` of it.
        reason: why there is none, in words; else empty.
        change: what refining did to it, also if that was refused; None if it was not tried.
    """

    face: Face
    refined: bool
    reason: str = ""
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """What refining changed in one face.

    Attributes:
        alignment: how the face lies in its picture.
        change: (3, CROP_PX, CROP_PX), the refined face minus the face as it was cut out.
    """

    alignment: Alignment
    change: Tensor

    def apply(self, image: Image, strength: float = 1.0) -> None:
        """Add the change to a picture (3, H, W), in place; `strength` 0 changes nothing, 1 all."""
        paste(image, self.change, self.alignment, strength)


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    alignment: Alignment
    crop: Tensor


def find_faces(
    image: Image, detector: Finder, view_px: int = VIEW_PX, eye_distance_px: float = 0.0
) -> list[Face]:
    """Find the faces of a picture of any size, the surest first, in its own pixels.

    Args:
        image: (3, H, W).
        view_px: larger pictures are looked at in this size; faces below `SMALLEST_PX` in it are not found.
        eye_distance_px: faces whose eyes are closer together in the picture may be left out, which saves time.
    """
    _, h, w = image.shape
    shrink = min(1.0, view_px / max(h, w))
    smallest_px = max(SMALLEST_PX, FACE_EYES * eye_distance_px * shrink)
    size_hw = (max(1, round(h * shrink)), max(1, round(w * shrink)))
    view = resized(image, slice(0, h), slice(0, w), size_hw, "bilinear")
    return [_enlarged(face, w / size_hw[1], h / size_hw[0]) for face in detector(view, smallest_px)]


def refine_faces(
    image: Image,
    faces: Sequence[Face],
    detector: Runner[list[Face]],
    refiner: Refiner,
    limits: Limits | None = None,
) -> tuple[list[Outcome], list[Patch]]:
    """Refine every face that is fit for it.

    Args:
        image: (3, H, W); stays as it is.
        faces: of `image`, from `find_faces`.
        detector: measures whether refining moved the landmarks.
        refiner: refines upright faces, all of them in one batch.
        limits: which faces are refined, and how far refining may go.

    Returns:
        What became of each of `faces`, and what refining changed.
    """
    limits = limits or Limits()
    outcomes, candidates = _choose(image, faces, limits)
    if not candidates:
        return outcomes, []
    patches = []
    crops = torch.stack([candidate.crop for candidate in candidates])
    for candidate, refined in zip(candidates, refiner(crops).float().clamp(0, 1), strict=True):
        change = measure_change(candidate.crop, refined, detector)
        reason = reason_to_refuse(change, limits)
        face = outcomes[candidate.number].face
        outcomes[candidate.number] = Outcome(face, reason is None, reason or "", change)
        if reason is None:
            patches.append(Patch(candidate.alignment, refined - candidate.crop))
    return outcomes, patches


def _choose(image: Image, faces: Sequence[Face], limits: Limits) -> tuple[list[Outcome], list[_Candidate]]:
    """Return what is known before refining, and the faces to be refined."""
    outcomes: list[Outcome] = []
    candidates: list[_Candidate] = []
    for number, face in enumerate(faces):
        if len(candidates) == MOST_FACES:
            reason: str | None = f"too many faces: the {MOST_FACES} surest are looked at"
        else:
            try:
                alignment = align(face.landmarks)
                crop = cut(image, alignment)
                reason = reason_to_leave(face, alignment, crop, limits)
            except ValueError as error:
                reason = f"no face: {error}"
        outcomes.append(Outcome(face, refined=False, reason=reason or ""))
        if reason is None:
            candidates.append(_Candidate(number, alignment, crop))
    return outcomes, candidates


def _enlarged(face: Face, across: float, down: float) -> Face:
    """Return a face of a view in the picture's pixels; a pixel of the view is centred among those that it was made of.

    Rounded, because the last digits depend on the number of threads, and the restored picture must not.
    """

    def at(x: float, y: float) -> tuple[float, float]:
        return round((x + 0.5) * across - 0.5, 2), round((y + 0.5) * down - 0.5, 2)

    left, top, right, bottom = face.box
    return replace(
        face,
        box=(*at(left, top), *at(right, bottom)),
        landmarks=tuple(at(x, y) for x, y in face.landmarks),
    )
