from dataclasses import replace

import pytest
import torch
from skimage import data

from photorestore.networks.runner import Runner
from photorestore.pixels import bands
from photorestore.stages.face import refine
from photorestore.stages.face.detector import Face
from photorestore.stages.face.judgement import Limits
from photorestore.stages.face.network import FaceUNet
from photorestore.stages.face.refine import Outcome, Refiner, find_faces, refine_faces
from training.degradations.fading import blur


@pytest.fixture(scope="module")
def old_photo() -> torch.Tensor:
    """A portrait that has lost its sharpness."""
    return blur(torch.from_numpy(data.astronaut()).permute(2, 0, 1) / 255, 1.5).clamp(0, 1)


@pytest.fixture(scope="module")
def faces(detector: Runner[list[Face]], old_photo: torch.Tensor) -> list[Face]:
    return find_faces(old_photo, detector)


def refined(
    image: torch.Tensor,
    faces: list[Face],
    detector: Runner[list[Face]],
    refiner: Refiner,
    limits: Limits | None = None,
    *,
    strength: float = 1.0,
) -> tuple[torch.Tensor, list[Outcome]]:
    """The picture with its refined faces, and what became of each."""
    outcomes, patches = refine_faces(image, faces, detector, refiner, limits)
    result = image.clone()
    for patch in patches:
        patch.apply(result, strength)
    return result, outcomes


def brighten(crops: torch.Tensor) -> torch.Tensor:
    return crops + 4 / 255


def test_an_untrained_network_leaves_the_picture_bit_by_bit(
    detector: Runner[list[Face]], old_photo: torch.Tensor, faces: list[Face]
) -> None:
    with torch.inference_mode():
        result, (outcome,) = refined(old_photo, faces, detector, FaceUNet((8, 8), (1, 1), 4).eval())
    assert torch.equal(result, old_photo)
    assert outcome.refined
    assert outcome.change is not None
    assert outcome.change.landmark_shift == 0


def test_a_refined_face_is_reported_and_nothing_else_of_the_picture_changes(
    detector: Runner[list[Face]], old_photo: torch.Tensor, faces: list[Face]
) -> None:
    given = old_photo.clone()
    result, (outcome,) = refined(old_photo, faces, detector, brighten)
    assert (outcome.refined, outcome.reason) == (True, "")
    assert outcome.change is not None
    assert outcome.change.colour_shift_255 == pytest.approx(4, abs=0.2)
    assert torch.equal(old_photo, given)
    nose_x, nose_y = map(round, outcome.face.landmarks[2])
    torch.testing.assert_close(
        result[:, nose_y, nose_x], old_photo[:, nose_y, nose_x] + 4 / 255, atol=1e-3, rtol=0
    )
    assert torch.equal(result[:, 300:], old_photo[:, 300:])
    assert torch.equal(result[:, :, :100], old_photo[:, :, :100])


def test_strength_is_how_much_of_the_change_is_made(
    detector: Runner[list[Face]], old_photo: torch.Tensor, faces: list[Face]
) -> None:
    full, _ = refined(old_photo, faces, detector, brighten)
    half, _ = refined(old_photo, faces, detector, brighten, strength=0.5)
    torch.testing.assert_close(half - old_photo, (full - old_photo) / 2, atol=1e-6, rtol=0)


def test_a_refiner_that_changes_the_person_is_refused(
    detector: Runner[list[Face]], old_photo: torch.Tensor, faces: list[Face]
) -> None:
    result, (outcome,) = refined(old_photo, faces, detector, lambda crops: torch.roll(crops, (14, 0), (2, 3)))
    assert torch.equal(result, old_photo)
    assert not outcome.refined
    assert outcome.reason.startswith("refining moved the landmarks")
    assert outcome.change is not None
    assert outcome.change.landmark_shift > 0.1


def test_each_face_is_judged_by_itself(detector: Runner[list[Face]], old_photo: torch.Tensor) -> None:
    head, noses = old_photo[:, :256, 96:352], []
    small = torch.nn.functional.interpolate(head[None], (64, 64), mode="area")[0]
    image = torch.full((3, 256, 400), 0.5)
    image[:, :, :256] = head
    image[:, 90:154, 300:364] = small
    faces = find_faces(image, detector)
    assert len(faces) == 2
    result, outcomes = refined(image, faces, detector, brighten, Limits(eye_distance_px=20))
    for outcome in outcomes:
        x, y = map(round, outcome.face.landmarks[2])
        noses.append(bool((result[:, y, x] != image[:, y, x]).all()))
        assert outcome.refined == (outcome.face.eye_distance_px > 20)
    assert noses == [outcome.refined for outcome in outcomes]
    (left_alone,) = (outcome for outcome in outcomes if not outcome.refined)
    assert left_alone.reason.startswith("too small")
    assert left_alone.change is None


def test_without_faces_the_refiner_is_not_asked(
    detector: Runner[list[Face]], old_photo: torch.Tensor
) -> None:
    def refuse(_crops: torch.Tensor) -> torch.Tensor:
        raise AssertionError

    assert refine_faces(old_photo, [], detector, refuse) == ([], [])


def test_limits_are_the_callers(
    detector: Runner[list[Face]], old_photo: torch.Tensor, faces: list[Face]
) -> None:
    _, (outcome,) = refined(old_photo, faces, detector, brighten, Limits(colour_shift_255=2.0))
    assert outcome.reason == "refining changed the colour by 4.0 of 255, more than 2.0"


def test_a_plane_gives_what_its_picture_in_float_gives(
    detector: Runner[list[Face]], old_photo: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = (old_photo * 255).round().byte().numpy()
    monkeypatch.setattr(bands, "STRIP_PX", 10_000)
    (face,) = find_faces(plane, detector, view_px=400)
    (expected,) = find_faces(torch.from_numpy(plane) / 255, detector, view_px=400)
    assert face.box == pytest.approx(expected.box, abs=0.5)
    _, (patch,) = refine_faces(plane, [face], detector, brighten)
    assert float(patch.change.mean()) == pytest.approx(4 / 255, abs=1e-3)


def test_a_crowd_is_refined_in_part(
    detector: Runner[list[Face]], old_photo: torch.Tensor, faces: list[Face], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refine, "MOST_FACES", 2)
    outcomes, patches = refine_faces(old_photo, faces * 3, detector, brighten)
    assert [outcome.refined for outcome in outcomes] == [True, True, False]
    assert outcomes[2].reason.startswith("too many faces")
    assert len(patches) == 2


def test_landmarks_that_make_no_face_are_left_alone(
    detector: Runner[list[Face]], old_photo: torch.Tensor, faces: list[Face]
) -> None:
    beside = tuple((x + 5000, y) for x, y in faces[0].landmarks)
    ((outcome,), patches) = refine_faces(old_photo, [replace(faces[0], landmarks=beside)], detector, brighten)
    assert outcome.reason.startswith("no face")
    assert patches == []


def test_faces_that_would_be_too_small_need_not_be_found(
    detector: Runner[list[Face]], old_photo: torch.Tensor, faces: list[Face]
) -> None:
    assert find_faces(old_photo, detector, eye_distance_px=0.9 * faces[0].eye_distance_px)
    assert not find_faces(old_photo, detector, eye_distance_px=4 * faces[0].eye_distance_px)
