"""The stage deliver: encodings, colour spaces, metadata, report."""

import io
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.sixteen_bits import vips
from photorestore.options import FORMATS, Options
from photorestore.stages.base import run_stage
from photorestore.stages.deliver.findings import DeliverFindings
from photorestore.stages.deliver.stage import DeliverStage
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace
from tests.conftest import make_photo
from tests.delivered import restored
from tests.unit.imaging.test_imaging import saved, saved_16, wide_gamut_profile

PHOTO = Image.fromarray(make_photo(60, 90, seed=3))
RGBA = np.dstack([np.asarray(PHOTO), np.tile(np.arange(90, dtype=np.uint8), (60, 1))])
XMP = (
    b'<x:xmpmeta><rdf:Description tiff:Orientation="6" exif:PixelXDimension="90">'
    b"<xmp:Thumbnails>old</xmp:Thumbnails></rdf:Description></x:xmpmeta>"
)


def opened(result: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(result))
    picture.load()
    return picture


def rich_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8769)[0xA002] = 90
    exif.get_ifd(0x8769)[0xA003] = 60
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    return exif.tobytes()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_every_format_is_delivered(tmp_path: Path, kind: str, mode: str) -> None:
    picture = Image.fromarray(RGBA) if mode == "RGBA" else PHOTO.convert(mode)
    workspace, result, report = restored(tmp_path, saved(picture, "PNG"), format=kind)
    back = opened(result)
    assert (back.format or "").lower() == kind
    assert back.size == PHOTO.size
    assert report["content_type"] == f"image/{kind}"
    assert workspace.envelope.estimates["deliver"] == DeliverFindings(f"image/{kind}", len(result))
    expected = np.asarray(picture.convert("RGB"), float)
    if mode != "RGBA":
        assert np.abs(np.asarray(back.convert("RGB"), float) - expected).mean() < 4
    if mode == "L" and kind != "webp":
        assert back.mode == "L"
    if mode == "RGBA" and kind != "jpeg":
        assert back.mode == "RGBA"


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_an_untouched_picture_is_bit_identical_in_lossless_formats(
    tmp_path: Path, kind: str, mode: str
) -> None:
    picture = (Image.fromarray(RGBA) if mode.endswith("A") else PHOTO).convert(mode)
    _, result, _ = restored(tmp_path, saved(picture, "PNG"), format=kind)
    np.testing.assert_array_equal(
        np.asarray(opened(result).convert("RGBA")), np.asarray(picture.convert("RGBA"))
    )


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_come_back_bit_identical(tmp_path: Path, kind: str, channels: int) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (40, 50, channels), np.uint16)
    _, result, report = restored(tmp_path, saved_16(values, ".png"), format=kind)
    back = vips().Image.new_from_buffer(result, "").numpy().reshape(values.shape)
    np.testing.assert_array_equal(back, values)
    assert report["bits"] == 16


def test_a_jpeg_says_what_it_could_not_hold(tmp_path: Path) -> None:
    values = np.full((40, 50, 4), 65535, np.uint16)
    values[..., :3] = 0
    values[:20, :, 3] = 0
    _, result, report = restored(tmp_path, saved_16(values, ".png"), accept="image/jpeg")
    assert report["content_type"] == "image/jpeg"
    assert report["bits"] == 8
    assert [entry.split(":")[0] for entry in report["dropped"]] == ["16 bits", "alpha"]
    back = np.asarray(opened(result))
    assert back[5, 5].min() > 250  # shown on white
    assert back[35, 5].max() < 5


def test_a_16_bit_result_of_an_8_bit_upload_is_rounded(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, Options(format="png"))
    workspace.write_file("upload", saved(PHOTO, "PNG"))
    run_stage(PreprocessStage(), [workspace])
    values = np.random.default_rng(0).integers(0, 65536, (3, 60, 90), np.uint16)
    workspace.write_plane("denoised", values)
    workspace.envelope.current = "denoised"
    run_stage(DeliverStage(), [workspace])
    back = np.moveaxis(np.asarray(opened(workspace.read_file("result") or b"")), -1, 0)
    np.testing.assert_array_equal(back, np.round(values / 257).astype(np.uint8))


def test_jpeg_is_4_4_4_of_quality_95_by_default(tmp_path: Path) -> None:
    _, result, _ = restored(tmp_path, saved(PHOTO, "PNG"), accept="image/jpeg")
    back = JpegImageFile(io.BytesIO(result))
    back.load()
    file = io.BytesIO()
    PHOTO.save(file, "JPEG", quality=95, subsampling=0)
    assert back.quantization == JpegImageFile(io.BytesIO(file.getvalue())).quantization
    assert [layer[1:3] for layer in back.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("kind", FORMATS)
def test_the_result_is_tagged_srgb(tmp_path: Path, kind: str) -> None:
    _, result, _ = restored(tmp_path, saved(PHOTO, "PNG", icc_profile=wide_gamut_profile()), format=kind)
    assert opened(result).info["icc_profile"] == conversion.srgb_profile()


def test_the_sources_colours_come_back_on_request(tmp_path: Path) -> None:
    icc = wide_gamut_profile()
    upload = saved(PHOTO, "PNG", icc_profile=icc)
    _, result, _ = restored(tmp_path, upload, format="png", colour="source")
    back = opened(result)
    assert back.info["icc_profile"] == icc
    # In 8 bits there and back, dark or saturated values cannot come back exactly.
    assert np.abs(np.asarray(back, float) - np.asarray(PHOTO, float)).mean() < 1


def test_the_sources_colours_come_back_in_16_bits(tmp_path: Path) -> None:
    icc = wide_gamut_profile()
    values = np.asarray(PHOTO).astype(np.uint16) * 257
    upload = saved_16(values, ".png", icc_profile_data=icc)
    _, result, _ = restored(tmp_path, upload, format="png", colour="source")
    back = vips().Image.new_from_buffer(result, "")
    assert back.get("icc-profile-data") == icc
    assert np.abs(back.numpy().astype(float) - values).mean() < 64


def test_srgb_by_another_profile_comes_back_bit_by_bit(tmp_path: Path) -> None:
    icc = conversion.srgb_profile()[:-1] + b"\0"
    _, result, _ = restored(tmp_path, saved(PHOTO, "PNG", icc_profile=icc), format="png", colour="source")
    np.testing.assert_array_equal(np.asarray(opened(result)), np.asarray(PHOTO))


def test_cmyk_leaves_as_srgb(tmp_path: Path) -> None:
    upload = saved(PHOTO.convert("CMYK"), "JPEG")
    _, result, report = restored(tmp_path, upload, format="png", colour="source")
    assert opened(result).mode == "RGB"
    assert report["source"]["mode"] == "CMYK"


@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_is_brought_up_to_date(tmp_path: Path, kind: str) -> None:
    upload = saved(PHOTO, "JPEG", exif=rich_exif(), xmp=XMP)
    _, result, report = restored(tmp_path, upload, format=kind)
    exif = opened(result).getexif()
    assert opened(result).size == (60, 90)
    assert exif.get(0x0112, 1) == 1
    assert exif[0x010F] == "A camera"
    assert exif.get_ifd(0x8769)[0xA002] == 60
    assert exif.get_ifd(0x8769)[0xA003] == 90
    assert exif.get_ifd(0x8825)[1] == "N"
    assert report["dropped"] == ["xmp: thumbnail: shows the picture as it was"]
    assert b'tiff:Orientation="1" exif:PixelXDimension="60"' in result
    assert b"Thumbnails" not in result


def test_an_enlarged_picture_is_delivered_with_its_opacity_and_says_its_size(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, Options(format="png", scale=2))
    workspace.write_file("upload", saved(Image.fromarray(RGBA), "PNG", exif=rich_exif()))
    run_stage(PreprocessStage(), [workspace])
    workspace.write_plane("upscaled", np.full((3, 180, 120), 30_000, np.uint16))
    workspace.write_plane("upscaled_alpha", np.full((1, 180, 120), 77, np.uint8))
    workspace.envelope.current = "upscaled"
    run_stage(DeliverStage(), [workspace])
    assert workspace.envelope.problem is None
    back = opened(workspace.read_file("result") or b"")
    assert (back.size, back.mode, back.getpixel((0, 0))) == ((120, 180), "RGBA", (117, 117, 117, 77))
    exif = back.getexif().get_ifd(0x8769)
    assert (exif[0xA002], exif[0xA003]) == (120, 180)


def test_the_thumbnail_goes(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    block = exif.tobytes()
    tiff = bytearray(block[6:])
    end_of_directory = 8 + 2 + 12
    thumbnail = b"\xff\xd8stale thumbnail\xff\xd9"
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    tiff[end_of_directory : end_of_directory + 4] = len(tiff).to_bytes(4, order)
    start = len(tiff) + 2 + 24 + 4
    entries = [(0x0201, start), (0x0202, len(thumbnail))]
    directory = len(entries).to_bytes(2, order)
    for tag, value in entries:
        directory += (
            tag.to_bytes(2, order)
            + (4).to_bytes(2, order)
            + (1).to_bytes(4, order)
            + value.to_bytes(4, order)
        )
    block = block[:6] + bytes(tiff) + directory + bytes(4) + thumbnail
    assert b"stale" in saved(PHOTO, "JPEG", exif=block)
    _, result, _ = restored(tmp_path, saved(PHOTO, "JPEG", exif=block), format="webp")
    assert b"stale" not in result
    assert opened(result).getexif()[0x010F] == "A camera"


def test_gps_or_everything_is_left_out_on_request(tmp_path: Path) -> None:
    xmp = XMP.replace(b"exif:PixelX", b'exif:GPSLatitude="1,2N" exif:PixelX')
    upload = saved(PHOTO, "JPEG", exif=rich_exif(), xmp=xmp)
    _, result, report = restored(tmp_path, upload, metadata="no-gps")
    exif = opened(result).getexif()
    assert exif[0x010F] == "A camera"
    assert not exif.get_ifd(0x8825)
    assert b"GPS" not in result
    assert b'tiff:Orientation="1" exif:PixelXDimension="60"' in result
    assert report["dropped"] == ["xmp: thumbnail: shows the picture as it was"]
    _, result, _ = restored(tmp_path, upload, metadata="strip")
    assert "exif" not in opened(result).info
    assert b"xmpmeta" not in result
    assert "icc_profile" in opened(result).info


def test_broken_metadata_is_reported_and_left_out(tmp_path: Path) -> None:
    upload = saved(PHOTO, "JPEG", exif=b"Exif\0\0nonsense")
    _, result, report = restored(tmp_path, upload, format="png")
    assert "exif" not in opened(result).info
    assert report["dropped"] == ["exif: cannot be carried over"]


def test_metadata_too_long_for_jpeg_is_reported(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "x" * 70_000
    _, result, report = restored(tmp_path, saved(PHOTO, "PNG", exif=exif.tobytes()), accept="image/jpeg")
    assert opened(result).format == "JPEG"
    assert report["dropped"] == ["exif: tag 0x010f: too long for jpeg"]


def test_accept_decides_without_the_option(tmp_path: Path) -> None:
    _, result, report = restored(tmp_path, saved(PHOTO, "PNG"), accept="image/webp;q=0.9, image/png;q=0.3")
    assert opened(result).format == "WEBP"
    assert report["content_type"] == "image/webp"


def test_the_report_says_all_and_the_request_is_done(tmp_path: Path) -> None:
    workspace, _, report = restored(tmp_path, saved(PHOTO, "PNG"))
    assert set(report) == {
        "request_id",
        "source",
        "estimates",
        "trace",
        "content_type",
        "unchanged",
        "width",
        "height",
        "bits",
        "dropped",
    }
    assert set(report["trace"]) == {"preprocess", "deliver"}
    assert (report["width"], report["height"], report["bits"]) == (90, 60, 8)
    assert workspace.path("done").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_request_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    upload = saved(Image.fromarray(RGBA), "PNG", exif=rich_exif())
    first, second = (restored(tmp_path, upload, format=kind)[1] for _ in range(2))
    assert first == second
