"""Wide gamut: with colour=source, what no stage has changed is what the file has."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photorestore.imaging.colour import conversion
from photorestore.imaging.colour.profiles import gamma_curve, grey_profile, rgb_profile, srgb_curve
from photorestore.imaging.colour.told import CICP_PRIMARIES
from photorestore.imaging.decoders.sixteen_bits import vips
from photorestore.options import Options
from photorestore.pixels.copied import copied
from photorestore.stages.base import Stage, run_stage
from photorestore.stages.deliver.stage import DeliverStage
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace
from tests.conftest import make_photo
from tests.unit.imaging.test_imaging import saved, saved_16
from tests.unit.imaging.test_told_colour import gamma

P3 = rgb_profile("P3", CICP_PRIMARIES[12], (srgb_curve(),) * 3)
PHOTO = make_photo(60, 90, seed=3)
for place, pure in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 160, 0)]):
    PHOTO[:20, 20 * place : 20 * place + 20] = pure


def scanner_profile() -> bytes:
    """Of RGB, with a table that leads to greys of CIELab and none that leads back."""
    lightness = [255 * sum(at) // 3 for at in np.ndindex(2, 2, 2)]
    table = b"mft1\0\0\0\0\3\3\2\0" + struct.pack(">9i", *(np.eye(3, dtype=int).ravel() << 16))
    table += (
        bytes(range(256)) * 3
        + b"".join(bytes((value, 128, 128)) for value in lightness)
        + bytes(range(256)) * 3
    )
    start = 128 + 4 + 12
    head = struct.pack(">I", start + len(table)) + P3[4:12] + b"scnrRGB Lab " + P3[24:128]
    return head + struct.pack(">I4sII", 1, b"A2B0", start, len(table)) + table


class Changing:
    """A stage that adds to the pixels of some rows."""

    name = "translate"

    def __init__(self, rows: slice, by: int) -> None:
        self.rows, self.by = rows, by

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            with copied(workspace, "translated", workspace.plane("image")) as target:
                changed = target[:, self.rows].astype(int) + self.by
                target[:, self.rows] = changed.clip(0, 65535)
            workspace.envelope.current = "translated"
            workspace.ran(self.name, "changed")


def restored(
    root: Path,
    upload: bytes,
    stage: Changing | None = None,
    *,
    into: str = "png",
    wanted: str = "source",
    mask: bytes | None = None,
) -> tuple[np.ndarray, bytes, list[str]]:
    """Pixels (H, W, C), profile, and what was dropped."""
    workspace = Workspace.create(root, Options(format=into, colour=wanted))
    workspace.write_file("upload", upload)
    if mask is not None:
        workspace.write_file("mask_upload", mask)
    stages: list[Stage] = [PreprocessStage(), *([stage] if stage else []), DeliverStage()]
    for each in stages:
        run_stage(each, [workspace])
    assert workspace.envelope.problem is None, workspace.envelope.problem
    picture = vips().Image.new_from_buffer(workspace.read_file("result"), "")
    report = json.loads(workspace.read_file("report.json") or b"")
    values = picture.numpy()
    return values.reshape(*values.shape[:2], -1), picture.get("icc-profile-data"), report["dropped"]


def upload_of(values: np.ndarray, icc: bytes, kind: str = "TIFF") -> bytes:
    if values.dtype == np.uint16:
        return saved_16(values, ".tif" if kind == "TIFF" else ".png", icc_profile_data=icc)
    return saved(Image.fromarray(values.squeeze()), kind, icc_profile=icc)


@pytest.mark.parametrize("bits", [8, 16])
def test_where_nothing_is_changed_the_pixels_are_the_files(tmp_path: Path, bits: int) -> None:
    values = PHOTO if bits == 8 else PHOTO.astype(np.uint16) * 257
    back, icc, dropped = restored(tmp_path, upload_of(values, P3))
    np.testing.assert_array_equal(back, values)
    assert (icc, dropped) == (P3, [])


@pytest.mark.parametrize("bits", [8, 16])
def test_what_a_stage_leaves_alone_is_the_files(tmp_path: Path, bits: int) -> None:
    values = PHOTO if bits == 8 else PHOTO.astype(np.uint16) * 257
    stage = Changing(slice(40, 50), -20000)
    back, icc, _ = restored(tmp_path, upload_of(values, P3), stage)
    np.testing.assert_array_equal(np.delete(back, np.s_[40:50], 0), np.delete(values, np.s_[40:50], 0))
    assert icc == P3
    in_srgb, _, _ = restored(tmp_path, upload_of(values, P3), stage, wanted="srgb")
    scale = 257 if bits == 16 else 1
    shallow = np.round(in_srgb[40:50] / scale).astype(np.uint8)
    expected = conversion.from_srgb(Image.fromarray(shallow), P3)
    assert np.abs(back[40:50] / scale - np.asarray(expected)).max() <= 2


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("stage", [None, Changing(slice(40, 50), -20000)], ids=["unchanged", "changed"])
def test_colours_under_full_transparency_are_the_files_too(
    tmp_path: Path, stage: Changing | None, bits: int
) -> None:
    opacity = np.where(np.arange(90) % 30 < 12, 0, 255) * np.ones((60, 1), int)
    values = np.dstack([PHOTO, opacity]).astype(f"uint{bits}") * np.array(
        1 if bits == 8 else 257, f"uint{bits}"
    )
    back, icc, _ = restored(tmp_path, upload_of(values, P3, "PNG"), stage, into="tiff")
    same = np.delete(back, np.s_[40:50], 0), np.delete(values, np.s_[40:50], 0)
    np.testing.assert_array_equal(*(same if stage else (back, values)))
    np.testing.assert_array_equal(back[opacity == 0], values[opacity == 0])
    assert icc == P3


def test_what_is_filled_under_full_transparency_keeps_nothing_of_the_files(tmp_path: Path) -> None:
    values = np.full((60, 90, 4), (90, 90, 90, 255), np.uint8)
    values[20:40] = (255, 0, 255, 0)
    mask = saved(Image.fromarray(np.uint8(255) - values[..., 3]), "PNG")
    back, _, _ = restored(
        tmp_path, upload_of(values, P3, "PNG"), Changing(slice(20, 40), 1), into="tiff", mask=mask
    )
    assert np.abs(back[20:40, :, :3].astype(int) - 91).max() <= 3
    np.testing.assert_array_equal(back[:20], values[:20])


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_by_another_curve_comes_back(tmp_path: Path, bits: int) -> None:
    values = PHOTO[..., :1] if bits == 8 else PHOTO[..., :1].astype(np.uint16) * 257
    icc = grey_profile("a Macintosh's", gamma_curve(1.8))
    back, found, _ = restored(tmp_path, upload_of(values, icc, "PNG"), into="tiff")
    np.testing.assert_array_equal(back, values)
    assert found == icc
    back, _, _ = restored(tmp_path, upload_of(values, icc, "PNG"), Changing(slice(59, 60), 9000), into="tiff")
    np.testing.assert_array_equal(back[:59], values[:59])
    assert (back[59] > values[59]).all()


def test_a_turned_picture_comes_back_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upload = saved(Image.fromarray(PHOTO), "PNG", icc_profile=P3, exif=exif.tobytes())
    back, _, _ = restored(tmp_path, upload)
    np.testing.assert_array_equal(back, np.rot90(PHOTO, -1))


def test_a_gamma_is_kept_as_a_profile(tmp_path: Path) -> None:
    upload = saved(Image.fromarray(PHOTO), "PNG")
    back, icc, dropped = restored(tmp_path, upload[:33] + gamma(1.0) + upload[33:], into="tiff")
    np.testing.assert_array_equal(back, PHOTO)
    assert (conversion.describe(icc), dropped) == ("colours by PNG gAMA", [])


def test_a_small_change_leaves_most_of_what_is_beyond_srgb(tmp_path: Path) -> None:
    red = np.full((8, 8, 3), (250, 10, 10), np.uint8)
    upload = upload_of(red, P3)
    results = [
        restored(tmp_path, upload, Changing(slice(0, 8), by))[0][0, 0].tolist() for by in (0, -257, -9000)
    ]
    in_srgb, _, _ = restored(tmp_path, upload, Changing(slice(0, 8), -9000), wanted="srgb")
    clipped = conversion.from_srgb(Image.fromarray(in_srgb), P3)
    assert clipped is not None
    assert results[0] == [250, 10, 10]
    assert np.abs(np.subtract(results[1], results[0])).max() <= 3
    assert results[2] == np.asarray(clipped)[0, 0].tolist()


def test_a_profile_without_a_way_back_matters_only_where_something_is_changed(tmp_path: Path) -> None:
    icc = scanner_profile()
    upload = upload_of(PHOTO, icc)
    back, found, dropped = restored(tmp_path, upload)
    np.testing.assert_array_equal(back, PHOTO)
    assert (found, dropped) == (icc, [])
    _, found, dropped = restored(tmp_path, upload, Changing(slice(0, 2), 9000))
    assert found == conversion.srgb_profile()
    assert dropped == ["colour: the source's profile cannot be applied; sRGB"]


def test_inks_are_delivered_as_srgb_and_named(tmp_path: Path) -> None:
    upload = saved(Image.fromarray(PHOTO).convert("CMYK"), "TIFF")
    assert restored(tmp_path, upload)[2] == ["colour: CMYK is delivered as sRGB"]
    assert restored(tmp_path, upload, wanted="srgb")[2] == []
