"""Pictures from within the process, and back."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging import put_picture, result_array
from photorestore.options import Options
from photorestore.pipeline import Picture
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace
from tests.conftest import make_photo
from tests.unit.imaging.test_imaging import saved, wide_gamut_profile

PHOTO = make_photo(60, 90, seed=3)


def through(root: Path, picture: Picture, mask: Picture | None = None) -> Workspace:
    workspace = Workspace.create(root, Options())
    put_picture(workspace, "upload", picture)
    if mask is not None:
        put_picture(workspace, "mask_upload", mask)
    run_stage(PreprocessStage(), [workspace])
    assert workspace.envelope.problem is None
    return workspace


def test_bytes_pictures_and_arrays_give_the_same(tmp_path: Path) -> None:
    picture = Image.fromarray(PHOTO)
    for given in (saved(picture, "PNG"), picture, PHOTO):
        np.testing.assert_array_equal(result_array(through(tmp_path, given)), PHOTO)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_pictures_of_other_modes_are_read_as_their_files_are(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(PHOTO).convert(mode)
    from_file = through(tmp_path, saved(picture, "TIFF"))
    given = through(tmp_path, picture)
    np.testing.assert_array_equal(result_array(given), result_array(from_file))
    for name in ("has_alpha", "is_grey", "bits"):
        assert getattr(given.source, name) == getattr(from_file.source, name)


def test_a_pictures_orientation_and_profile_count(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upload = saved(Image.fromarray(PHOTO), "PNG", exif=exif.tobytes(), icc_profile=wide_gamut_profile())
    (tmp_path / "upload.png").write_bytes(upload)
    given = through(tmp_path, Image.open(tmp_path / "upload.png"))
    np.testing.assert_array_equal(result_array(given), result_array(through(tmp_path, upload)))


def test_16_bits_are_kept(tmp_path: Path) -> None:
    deep = PHOTO.astype(np.uint16) * 257
    np.testing.assert_array_equal(result_array(through(tmp_path, deep)), deep)
    grey = through(tmp_path, Image.fromarray(deep[..., 0]))
    np.testing.assert_array_equal(result_array(grey), deep[..., :1].repeat(3, 2))


@pytest.mark.parametrize("kind", [bool, np.uint8, np.uint16, "picture", "bytes"])
def test_masks_of_any_kind(tmp_path: Path, kind: type[np.generic | bool] | str) -> None:
    holes = np.zeros((60, 90), bool)
    holes[5:20, 7:30] = True
    white = (holes * 255).astype(np.uint8)
    masks: dict[type[np.generic | bool] | str, Picture] = {
        bool: holes,
        np.uint8: white,
        np.uint16: white.astype(np.uint16) * 257,
        "picture": Image.fromarray(white),
        "bytes": saved(Image.fromarray(white), "PNG"),
    }
    workspace = through(tmp_path, PHOTO, masks[kind])
    np.testing.assert_array_equal(workspace.plane("hole_mask")[0], white)


def test_floats_are_refused(workspace: Workspace) -> None:
    with pytest.raises(NotAnImage):
        put_picture(workspace, "mask_upload", np.zeros((4, 4), np.float32))
    with pytest.raises(NotAnImage):
        put_picture(workspace, "upload", Image.new("F", (4, 4)))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((1, 4, 4, 1), np.uint8),
        np.zeros((4, 4), np.int32),
        np.zeros((0, 4), np.uint8),
        np.zeros((4, 4, 0), np.uint8),
    ],
    ids=lambda array: f"{array.shape} {array.dtype}",
)
@pytest.mark.parametrize("name", ["upload", "mask_upload"])
def test_arrays_of_other_shapes_and_types_are_refused(
    workspace: Workspace, name: str, array: np.ndarray
) -> None:
    with pytest.raises((NotAnImage, CorruptImage), match=r"expected an array|no area"):
        put_picture(workspace, name, array)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_masks_of_several_channels_count_by_their_luma(tmp_path: Path, channels: int) -> None:
    mask = np.zeros((60, 90, channels), np.uint8)
    mask[5:20, 7:30] = 255
    workspace = through(tmp_path, PHOTO, mask)
    expected = np.zeros((60, 90), np.uint8)
    expected[5:20, 7:30] = 255
    np.testing.assert_array_equal(workspace.plane("hole_mask")[0], expected)


def test_a_picture_that_cannot_be_decoded_is_corrupt(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(saved(Image.fromarray(PHOTO), "PNG")[:-300])
    with (
        Image.open(tmp_path / "broken.png") as picture,
        pytest.raises(CorruptImage, match="cannot be decoded"),
    ):
        put_picture(workspace, "upload", picture)
