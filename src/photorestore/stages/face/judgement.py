"""Decide which faces to refine and which refined faces to refuse, and say why not in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.fidelity import ssim
from photorestore.networks.runner import Runner
from photorestore.pixels.tensors import blur, luma
from photorestore.stages.face.detector import OUTPUT_PX, Face
from photorestore.stages.face.geometry import CROP_PX, EYE_DISTANCE_PX, TEMPLATE, Alignment, face_mask

FACE_BOX = (50, 222, 42, 214)
"""Top, bottom, left, right of the square in the crop that holds the face, as the detector frames it."""
COARSE = 4
"""Side, in pixels of the crop, of a pixel of the low-pass face."""
BLUR_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Binomial: a standard deviation of one pixel."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Which faces are refined, and how far refining may go.

    Chosen on training faces, degraded and then given back their own detail: that moves the landmarks by 1.2 % of the
    eye distance (median; 3.6 % in the worst twentieth), leaves a similarity of .96 (.84) and shifts the colour by .2
    (.9); another person's face moves them by 6 %, leaves .45 and shifts it by 30. Of the clean training faces 40 to
    80 %, by set, count as sharp; blurred by one pixel, a tenth. Of training faces that were shrunk and then degraded,
    those with 16 px between the eyes gain .6 dB, with 12 px .25, with 10 px .1 and with 8 px nothing: too little, below
    16, for what may go wrong in a grainy print.

    Attributes:
        eye_distance_px: a face whose eyes are closer together in the picture is too small.
        pose_deviation: a face whose landmarks differ more from a frontal one's (see the function) looks too far aside.
        sharpness: a face that is at least so sharp (see `sharpness_of`) needs nothing.
        landmark_shift: most by which refining may move the landmarks on average, as a share of the eye distance.
        similarity: least structural similarity of the low-pass face before and after.
        colour_shift_255: most by which the mean of a channel may change in the face.
    """

    eye_distance_px: float = 16.0
    pose_deviation: float = 0.2
    sharpness: float = 0.42
    landmark_shift: float = 0.06
    similarity: float = 0.82
    colour_shift_255: float = 5.0


CAREFUL = Limits(eye_distance_px=40.0, sharpness=0.25)
"""For pictures in which nothing else is wrong. Enlarged in the crop, a small face would look blurred by its size alone.
None of 91 clean training faces of this size is below this sharpness; blurred by two pixels four in five are."""


@dataclass(frozen=True, slots=True)
class Change:
    """What refining did to a face.

    Attributes:
        landmark_shift: mean distance of the landmarks before and after, as a share of the eye distance.
        similarity: structural similarity of the low-pass faces, luma.
        colour_shift_255: greatest change of a channel's mean in the face, in 8-bit units.
    """

    landmark_shift: float
    similarity: float
    colour_shift_255: float


def reason_to_leave(face: Face, alignment: Alignment, crop: Tensor, limits: Limits) -> str | None:
    """Return why a face is not to be refined, or None.

    Args:
        crop: (3, CROP_PX, CROP_PX), the face cut out by `alignment`.
    """
    distance = face.eye_distance_px
    if distance < limits.eye_distance_px:
        return f"too small: its eyes are {distance:.0f} px apart, {limits.eye_distance_px:.0f} are needed"
    deviation = pose_deviation(face, alignment)
    if deviation > limits.pose_deviation:
        return (
            f"too turned: its landmarks are {100 * deviation:.0f} % of the eye distance away from a frontal face's, "
            f"at most {100 * limits.pose_deviation:.0f} % can be refined"
        )
    sharpness = sharpness_of(crop)
    if sharpness >= limits.sharpness:
        return f"already sharp: {sharpness:.2f}, from {limits.sharpness:.2f} on nothing is to be gained"
    return None


def reason_to_refuse(change: Change, limits: Limits) -> str | None:
    """Return why a refined face is not to be used, or None."""
    if change.landmark_shift > limits.landmark_shift:
        return (
            f"refining moved the landmarks by {100 * change.landmark_shift:.1f} % of the eye distance, "
            f"more than {100 * limits.landmark_shift:.1f} %"
        )
    if change.similarity < limits.similarity:
        return (
            f"refining changed the face as a whole: structural similarity {change.similarity:.3f}, "
            f"less than {limits.similarity:.3f}"
        )
    if change.colour_shift_255 > limits.colour_shift_255:
        return (
            f"refining changed the colour by {change.colour_shift_255:.1f} of 255, "
            f"more than {limits.colour_shift_255:.1f}"
        )
    return None


def pose_deviation(face: Face, alignment: Alignment) -> float:
    """Return the root mean square distance of the aligned landmarks from a frontal face's, in eye distances.

    A head that looks aside, up or down has its nose elsewhere between the other landmarks, whatever its size and tilt.
    """
    aligned = alignment.inverse().apply(torch.tensor(face.landmarks, dtype=torch.float64))
    misses = aligned - torch.tensor(TEMPLATE, dtype=torch.float64)
    return math.sqrt(float(misses.square().sum(-1).mean())) / EYE_DISTANCE_PX


def sharpness_of(crop: Tensor) -> float:
    """Return how steep the face's edges are against the same edges blurred by two pixels; 0 for no difference.

    The steepest twentieth of the places counts, so that edges decide and hardly noise; dividing by the blurred face's
    makes it independent of contrast.
    """
    inside = face_mask(0)[0] > 0
    brightness = luma(crop)
    blurred = brightness
    for _ in range(4):  # variances add up: two pixels
        blurred = _blurred(blurred)
    steep, smooth = (_steepness(image)[inside].quantile(0.95) for image in (_blurred(brightness), blurred))
    return float((steep / smooth.clamp_min(1e-4)).log2())


def measure_change(crop: Tensor, refined: Tensor, detector: Runner[list[Face]]) -> Change:
    """Compare a face before and after refining.

    Args:
        crop, refined: (3, CROP_PX, CROP_PX) in [0, 1].
    """
    before, after = place_landmarks(torch.stack([crop, refined]), detector)
    inside = face_mask(0).to(crop)
    drift = ((refined - crop) * inside).sum((1, 2)).abs() / inside.sum()
    return Change(
        landmark_shift=landmark_shift(before, after),
        similarity=ssim(_low_pass(crop), _low_pass(refined)),
        colour_shift_255=255 * float(drift.max()),
    )


def place_landmarks(crops: Tensor, detector: Runner[list[Face]]) -> Tensor:
    """Place landmarks in upright faces, by the detector's last network alone: always at the same place of the crop.

    Args:
        crops: (N, 3, CROP_PX, CROP_PX) in [0, 1].

    Returns:
        (N, 5, 2): x, y in px of the crop.
    """
    top, bottom, left, right = FACE_BOX
    face = F.interpolate(crops[..., top:bottom, left:right], (OUTPUT_PX, OUTPUT_PX), mode="area")
    shares = detector.part("landmarks")(face).to(crops)
    corner = torch.tensor([left, top]).to(shares)
    return corner + (bottom - top) * shares.mT


def landmark_shift(before: Tensor, after: Tensor) -> float:
    """Return the mean distance of landmarks (..., 5, 2) in the crop, as a share of the eye distance."""
    return float((before - after).norm(dim=-1).mean()) / EYE_DISTANCE_PX


def _low_pass(crop: Tensor) -> Tensor:
    """The face's luma, `COARSE` times smaller."""
    top, bottom, left, right = FACE_BOX
    return F.avg_pool2d(luma(crop)[:, top:bottom, left:right], COARSE).cpu()


def _blurred(plane: Tensor) -> Tensor:
    """Blur (1, H, W) by a standard deviation of one pixel."""
    padded = F.pad(plane[None], (2, 2, 2, 2), mode="replicate")
    return blur(padded, torch.tensor(BLUR_TAPS).to(plane))[0]


def _steepness(plane: Tensor) -> Tensor:
    """Return the length of the gradient, (CROP_PX, CROP_PX)."""
    across = F.pad(plane[0, :, 2:] - plane[0, :, :-2], (1, 1))
    down = F.pad(plane[0, 2:] - plane[0, :-2], (0, 0, 1, 1))
    assert across.shape == (CROP_PX, CROP_PX)
    return torch.hypot(across, down) / 2
