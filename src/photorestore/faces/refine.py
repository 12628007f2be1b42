"""Find the faces of a picture, refine those that gain by it, put them back, and say what was done and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.faces.geometry import Alignment, align, cut, paste
from photorestore.faces.judgement import Change, Limits, measure_change, reason_to_leave, reason_to_refuse
from photorestore.networks.face_detector import Face, FaceDetector

VIEW_PX = 1600
"""Faces are looked for in a view whose longest side is at most this."""

Refiner = Callable[[Tensor], Tensor]
"""(N, 3, 256, 256) upright faces to refined ones, such as a `FaceUNet`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one face.

    Attributes:
        face: where it is.
        refined: whether the picture now holds its refined form.
        reason: why not, in words; empty where it was.
        change: what refining did to it, also where that was refused; None where it was not tried.
    """

    face: Face
    refined: bool
    reason: str = ""
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    alignment: Alignment
    crop: Tensor


def find_faces(image: Tensor, detector: FaceDetector, view_px: int = VIEW_PX) -> list[Face]:
    """Faces of a picture of any size, the surest first, in its own pixels.

    Args:
        image: (3, H, W) in [0, 1].
        view_px: larger pictures are looked at in this size; faces below 24 px in it are not found.
    """
    _, h, w = image.shape
    if max(h, w) <= view_px:
        return detector(image)
    size_hw = (max(1, round(h * view_px / max(h, w))), max(1, round(w * view_px / max(h, w))))
    view = F.interpolate(image[None].float(), size_hw, mode="bilinear", antialias=True)[0]
    return [_enlarged(face, w / size_hw[1], h / size_hw[0]) for face in detector(view)]


def refine_faces(
    image: Tensor,
    faces: Sequence[Face],
    detector: FaceDetector,
    refiner: Refiner,
    limits: Limits | None = None,
    strength: float = 1.0,
) -> tuple[Tensor, list[Outcome]]:
    """Refine every face that is fit for it.

    Args:
        image: (3, H, W) in [0, 1].
        faces: of `image`, from `find_faces`.
        detector: measures whether refining moved the landmarks.
        refiner: refines upright faces, all of them in one batch.
        limits: which faces are refined, and how far refining may go.
        strength: 0 changes nothing, 1 all.

    Returns:
        The picture, in which only the refined faces differ, and what became of each of `faces`.
    """
    limits = limits or Limits()
    outcomes, candidates = _choose(image, faces, limits)
    if not candidates:
        return image, outcomes
    crops = torch.stack([candidate.crop for candidate in candidates])
    for candidate, refined in zip(candidates, refiner(crops).float().clamp(0, 1), strict=True):
        change = measure_change(candidate.crop, refined, detector)
        reason = reason_to_refuse(change, limits)
        face = outcomes[candidate.number].face
        outcomes[candidate.number] = Outcome(face, reason is None, reason or "", change)
        if reason is None:
            image = paste(image, candidate.crop, refined, candidate.alignment, strength)
    return image, outcomes


def _choose(image: Tensor, faces: Sequence[Face], limits: Limits) -> tuple[list[Outcome], list[_Candidate]]:
    """What is known before refining, and the faces to be refined."""
    outcomes, candidates = [], []
    for number, face in enumerate(faces):
        alignment = align(face.landmarks)
        crop = cut(image, alignment)
        reason = reason_to_leave(face, alignment, crop, limits)
        outcomes.append(Outcome(face, refined=False, reason=reason or ""))
        if reason is None:
            candidates.append(_Candidate(number, alignment, crop))
    return outcomes, candidates


def _enlarged(face: Face, across: float, down: float) -> Face:
    """A face of a view, in the pixels of the picture; pixel i of the view is centred between those it was made of."""

    def at(x: float, y: float) -> tuple[float, float]:
        return (x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5

    left, top, right, bottom = face.box
    return replace(
        face,
        box=(*at(left, top), *at(right, bottom)),
        landmarks=tuple(at(x, y) for x, y in face.landmarks),
    )
