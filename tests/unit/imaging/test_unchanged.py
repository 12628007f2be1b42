"""Uploads that go back byte for byte, because nothing was changed and nothing else asked for."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photorestore.imaging import open_picture
from photorestore.imaging.colour import conversion
from photorestore.imaging.unchanged import own_type
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.deliver.stage import DeliverStage
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace
from tests.conftest import make_photo
from tests.delivered import restored
from tests.unit.imaging.test_imaging import saved, saved_16, wide_gamut_profile
from tests.unit.stages.deliver.test_deliver import opened, rich_exif

PHOTO = Image.fromarray(make_photo(60, 90, seed=3))
DEEP = np.random.default_rng(0).integers(0, 65536, (40, 50, 4), np.uint16)
UPLOADS = {
    "jpeg": saved(PHOTO, "JPEG", quality=80, comment=b"kept"),
    "png": saved(PHOTO, "PNG"),
    "png of 16 bits": saved_16(DEEP, ".png"),
    "webp": saved(PHOTO, "WEBP"),
    "tiff": saved(PHOTO, "TIFF"),
    "avif": saved(PHOTO, "AVIF"),
    "gif": saved(PHOTO, "GIF", save_all=True, append_images=[Image.new("RGB", PHOTO.size, "red")]),
    "bmp": saved(PHOTO, "BMP"),
}


@pytest.mark.parametrize("accept", ["", "*/*", "image/*"])
@pytest.mark.parametrize("name", UPLOADS)
def test_the_upload_comes_back_byte_for_byte_and_the_report_says_so(
    tmp_path: Path, name: str, accept: str
) -> None:
    _, result, report = restored(tmp_path, UPLOADS[name], accept=accept)
    assert result == UPLOADS[name]
    assert report["content_type"] == f"image/{name.split(maxsplit=1)[0]}"
    assert (report["unchanged"], report["dropped"]) == (True, [])
    assert report["bits"] == (16 if name == "png of 16 bits" else 8)
    assert report["estimates"]["deliver"] == {"content_type": report["content_type"], "bytes": len(result)}
    assert "nothing was changed" in report["trace"]["deliver"]["note"]


@pytest.mark.parametrize(
    ("name", "accept", "options", "expected"),
    [
        ("jpeg", "", {"format": "jpeg"}, "image/jpeg"),
        ("jpeg", "image/png", {"format": "jpeg"}, "image/jpeg"),
        ("jpeg", "", {"format": "png"}, None),
        ("jpeg", "", {"quality": 80}, None),
        ("jpeg", "", {"metadata": "strip"}, None),
        ("jpeg", "", {"metadata": "no-gps"}, None),
        ("png", "image/png", {}, "image/png"),
        ("png", "image/png, image/jpeg", {}, "image/png"),
        ("png", "image/jpeg", {}, None),
        ("png", "image/webp, image/png;q=0.3", {}, None),
        ("png", "image/png;q=0, */*", {}, None),
        ("gif", "image/gif, image/png;q=0.5", {}, "image/gif"),
        ("bmp", "image/png, image/jpeg", {}, None),
        ("bmp", "", {"format": "png"}, None),
    ],
)
def test_it_does_not_where_something_else_is_asked_for(
    name: str, accept: str, options: dict[str, Any], expected: str | None
) -> None:
    assert own_type(open_picture(UPLOADS[name]).header, Options(**options), accept) == expected


@pytest.mark.parametrize(
    ("upload", "options", "expected"),
    [
        (saved(PHOTO, "JPEG", exif=rich_exif()), {}, None),  # it is to be turned
        (saved(PHOTO, "JPEG", icc_profile=conversion.srgb_profile()), {}, "image/jpeg"),
        (saved(PHOTO.convert("L"), "PNG", icc_profile=conversion.grey_profile()), {}, "image/png"),
        (saved(PHOTO, "PNG", icc_profile=wide_gamut_profile()), {}, None),
        (saved(PHOTO, "PNG", icc_profile=wide_gamut_profile()), {"colour": "source"}, "image/png"),
        (saved(PHOTO.convert("CMYK"), "JPEG"), {}, None),
    ],
)
def test_it_does_not_where_its_pixels_are_not_those_to_be_delivered(
    upload: bytes, options: dict[str, Any], expected: str | None
) -> None:
    assert own_type(open_picture(upload).header, Options(**options), "") == expected


def test_a_picture_that_a_stage_has_changed_is_encoded(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, Options(format="png"))
    workspace.write_file("upload", UPLOADS["png"])
    run_stage(PreprocessStage(), [workspace])
    workspace.write_plane("denoised", np.array(workspace.plane("image"), np.uint8))
    workspace.envelope.current = "denoised"
    run_stage(DeliverStage(), [workspace])
    result = workspace.read_file("result")
    assert result
    assert result != UPLOADS["png"]
    assert (np.asarray(opened(result)) == np.asarray(PHOTO)).all()


def test_a_picture_that_was_normalised_is_encoded(tmp_path: Path) -> None:
    faint = Image.fromarray((80 + make_photo(60, 90) / 4).astype(np.uint8))
    _, result, report = restored(tmp_path, saved(faint, "PNG"), normalise=True)
    assert (report["unchanged"], report["content_type"]) == (False, "image/jpeg")
    assert np.ptp(np.asarray(Image.open(io.BytesIO(result)))) > np.ptp(np.asarray(faint))
