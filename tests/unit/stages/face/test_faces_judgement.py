from dataclasses import replace

import pytest
import torch
from skimage import data
from torch.nn import functional as F

from photorestore.networks.runner import Runner
from photorestore.stages.face.detector import Face
from photorestore.stages.face.geometry import CROP_PX, TEMPLATE, Alignment, align, cut, face_mask
from photorestore.stages.face.judgement import (
    Change,
    Limits,
    landmark_shift,
    measure_change,
    place_landmarks,
    pose_deviation,
    reason_to_leave,
    reason_to_refuse,
    sharpness_of,
)
from training.degradations.fading import blur

LIMITS = Limits()
NOTHING = Change(landmark_shift=0.0, similarity=1.0, colour_shift_255=0.0)


@pytest.fixture(scope="module")
def face(detector: Runner[list[Face]]) -> Face:
    return detector(portrait())[0]


@pytest.fixture(scope="module")
def crop(face: Face) -> torch.Tensor:
    """The astronaut's face, upright."""
    return cut(portrait(), align(face.landmarks))


def portrait() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1) / 255


def frontal(scale: float = 1.0) -> Face:
    alignment = Alignment(scale, 0.0, 10.0, 20.0)
    points = alignment.apply(torch.tensor(TEMPLATE)).tolist()
    return Face((0.0, 0.0, 1.0, 1.0), 1.0, tuple(tuple(point) for point in points))


def with_nose_moved(face: Face, share: float) -> Face:
    points = list(face.landmarks)
    points[2] = (points[2][0] + share * face.eye_distance_px, points[2][1])
    return replace(face, landmarks=tuple(points))


def soft_crop() -> torch.Tensor:
    return blur(torch.rand((3, CROP_PX, CROP_PX)), 3.0)


def leave(face: Face, crop: torch.Tensor) -> str | None:
    return reason_to_leave(face, align(face.landmarks), crop, LIMITS)


def test_a_soft_frontal_face_is_refined() -> None:
    assert leave(frontal(), soft_crop()) is None


def test_a_small_face_is_left_alone_and_the_reason_says_how_small() -> None:
    reason = leave(frontal(0.1), soft_crop())
    assert reason is not None
    assert reason.startswith("too small: its eyes are 6 px apart")


def test_a_turned_face_is_left_alone_and_the_reason_says_how_far() -> None:
    reason = leave(with_nose_moved(frontal(), 0.7), soft_crop())
    assert reason is not None
    assert reason.startswith("too turned: its landmarks are")


@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_the_turn_grows_with_the_nose_and_not_with_the_size(scale: float) -> None:
    turns = []
    for share in (0, 0.2, 0.5):
        face = with_nose_moved(frontal(scale), share)
        turns.append(pose_deviation(face, align(face.landmarks)))
    assert turns[0] == pytest.approx(0, abs=1e-5)
    assert turns[1] == pytest.approx(2 / 5 * turns[2], rel=0.2)
    assert 0.15 < turns[2] < 0.25


def test_a_tilted_face_is_not_a_turned_one(face: Face) -> None:
    upside = tuple((-y, x) for x, y in face.landmarks)
    tilted = replace(face, landmarks=upside)
    assert pose_deviation(tilted, align(upside)) == pytest.approx(pose_deviation(face, align(face.landmarks)))


def test_a_sharp_face_is_left_alone() -> None:
    checks = torch.zeros((3, CROP_PX, CROP_PX))
    checks[:, ::8] = 1
    reason = leave(frontal(), checks)
    assert reason is not None
    assert reason.startswith("already sharp: ")


def test_blur_lowers_sharpness_and_contrast_and_tone_do_not_matter(crop: torch.Tensor) -> None:
    sharp = [sharpness_of(crop)] + [sharpness_of(blur(crop, sigma_px)) for sigma_px in (1.0, 2.0, 4.0)]
    assert sharp == sorted(sharp, reverse=True)
    assert sharp[0] - sharp[2] > 0.1
    assert sharpness_of(0.5 * crop + 0.3) == pytest.approx(sharp[0], abs=0.01)


def test_the_same_face_has_not_changed(crop: torch.Tensor, detector: Runner[list[Face]]) -> None:
    assert measure_change(crop, crop, detector) == NOTHING
    assert reason_to_refuse(NOTHING, LIMITS) is None


def test_landmarks_are_placed_as_the_whole_detector_does(
    crop: torch.Tensor, face: Face, detector: Runner[list[Face]]
) -> None:
    placed = place_landmarks(crop[None], detector)[0]
    aligned = align(face.landmarks).inverse().apply(torch.tensor(face.landmarks))
    assert landmark_shift(placed, aligned) < 0.08


def test_sharpening_a_face_changes_it_little(crop: torch.Tensor, detector: Runner[list[Face]]) -> None:
    soft = blur(crop, 1.5)
    assert reason_to_refuse(measure_change(soft, crop, detector), LIMITS) is None


def test_moved_features_are_refused(crop: torch.Tensor, detector: Runner[list[Face]]) -> None:
    moved = torch.roll(crop, (12, 0), (1, 2))
    change = measure_change(crop, moved, detector)
    assert change.landmark_shift == pytest.approx(12 / 64, abs=0.06)
    reason = reason_to_refuse(change, LIMITS)
    assert reason is not None
    assert reason.startswith("refining moved the landmarks by ")


def test_another_face_is_refused(crop: torch.Tensor, detector: Runner[list[Face]]) -> None:
    other = torch.from_numpy(data.lfw_subset()[3].copy()).expand(3, -1, -1)
    other = F.interpolate(other[None].float(), (CROP_PX, CROP_PX), mode="bilinear")[0]
    mask = face_mask()
    change = measure_change(crop, torch.lerp(crop, other, mask), detector)
    assert change.similarity < LIMITS.similarity
    assert reason_to_refuse(change, LIMITS) is not None


def test_a_changed_structure_is_refused_with_its_reason() -> None:
    reason = reason_to_refuse(replace(NOTHING, similarity=0.5), LIMITS)
    assert reason is not None
    assert reason.startswith("refining changed the face as a whole: structural similarity 0.500")


def test_a_changed_colour_is_measured_and_refused(crop: torch.Tensor, detector: Runner[list[Face]]) -> None:
    tinted = crop * 0.8 + torch.tensor([20 / 255, 0.0, 0.0]).view(3, 1, 1)
    neutral = crop * 0.8
    change = measure_change(neutral, tinted, detector)
    assert change.colour_shift_255 == pytest.approx(20, abs=0.1)
    reason = reason_to_refuse(replace(NOTHING, colour_shift_255=change.colour_shift_255), LIMITS)
    assert reason == "refining changed the colour by 20.0 of 255, more than 5.0"
