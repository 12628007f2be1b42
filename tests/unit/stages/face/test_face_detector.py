from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional as F

from photorestore.networks.runner import Runner
from photorestore.pixels.tensors import luma
from photorestore.stages.face.detector import Face
from photorestore.stages.face.refine import find_faces
from tests.conftest import make_photo

LANDMARKS = ((204, 101), (247, 103), (226, 129), (204, 140), (244, 143))
"""Eyes, tip of the nose, corners of the mouth in `skimage.data.astronaut()`, as read off by eye."""
MIRRORED = tuple((511 - LANDMARKS[i][0], LANDMARKS[i][1]) for i in (1, 0, 2, 4, 3))
SEPIA = torch.tensor([1.08, 0.98, 0.78]).view(3, 1, 1)


@pytest.fixture(scope="module")
def astronaut() -> torch.Tensor:
    """(3, 512, 512), a public-domain portrait that scikit-image carries."""
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1) / 255


def versions(astronaut: torch.Tensor) -> dict[str, tuple[torch.Tensor, Any]]:
    grey = luma(astronaut).expand(3, -1, -1)
    return {
        "colour": (astronaut, LANDMARKS),
        "grey": (grey, LANDMARKS),
        "sepia": ((grey * SEPIA).clamp(0, 1), LANDMARKS),
        "faded": (0.5 * grey + 0.3, LANDMARKS),
        "mirrored": (astronaut.flip(-1), MIRRORED),
        "half size": (F.avg_pool2d(astronaut, 2), np.array(LANDMARKS) / 2),
    }


@pytest.mark.parametrize("version", ["colour", "grey", "sepia", "faded", "mirrored", "half size"])
def test_the_only_face_is_found_with_its_landmarks(
    version: str, detector: Runner[list[Face]], astronaut: torch.Tensor
) -> None:
    image, landmarks = versions(astronaut)[version]
    (face,) = detector(image)
    assert face.score > 0.99
    allowed_px = 0.1 * face.eye_distance_px
    np.testing.assert_allclose(face.landmarks, landmarks, atol=allowed_px)
    left, top, right, bottom = face.box
    assert all(left < x < right and top < y < bottom for x, y in face.landmarks)


def test_every_face_of_a_picture_is_found(detector: Runner[list[Face]], astronaut: torch.Tensor) -> None:
    head = astronaut[:, :256, 96:352]
    faces = detector(torch.cat([head, head.flip(-1)], dim=2))
    assert len(faces) == 2
    left, right = sorted(face.landmarks[2][0] for face in faces)
    assert left == pytest.approx(226 - 96, abs=4)
    assert right == pytest.approx(256 + 255 - (226 - 96), abs=4)


@pytest.mark.parametrize("name", ["coffee", "rocket", "chelsea", "brick", "grass"])
def test_no_face_is_found_where_there_is_none(name: str, detector: Runner[list[Face]]) -> None:
    pixels = torch.from_numpy(getattr(data, name)().copy())
    image = (pixels if pixels.ndim == 3 else pixels[..., None].expand(-1, -1, 3)).permute(2, 0, 1) / 255
    assert detector(image) == []


def test_made_pictures_and_tiny_ones_hold_no_face(detector: Runner[list[Face]]) -> None:
    assert detector(torch.from_numpy(make_photo(300, 400)).permute(2, 0, 1) / 255) == []
    assert detector(torch.rand((3, 8, 11))) == []


def test_a_face_too_small_to_look_for_is_not_found(
    detector: Runner[list[Face]], astronaut: torch.Tensor
) -> None:
    assert detector(astronaut, 300.0) == []


def test_a_large_picture_is_searched_at_a_bounded_size(
    detector: Runner[list[Face]], astronaut: torch.Tensor
) -> None:
    enlarged = F.interpolate(astronaut[None], scale_factor=3, mode="bicubic")[0].clamp(0, 1)
    (face,) = find_faces(enlarged, detector, view_px=512)
    expected = 3 * (np.array(LANDMARKS) + 0.5) - 0.5
    np.testing.assert_allclose(face.landmarks, expected, atol=0.1 * face.eye_distance_px)
    assert face.eye_distance_px == pytest.approx(3 * 43, rel=0.05)
