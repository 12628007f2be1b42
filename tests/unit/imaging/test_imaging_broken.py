"""Broken pictures: each a typed problem, or exactly the pixels that the decoder gives."""

import io
import itertools
import struct
from pathlib import Path

import numpy as np
import openjpeg.utils
import pillow_heif
import pytest
from PIL import Image, ImageOps

from photorestore.envelope import Problem
from photorestore.errors import RestorationError
from photorestore.imaging.decoders.pixels import to_full_range
from photorestore.imaging.decoders.sixteen_bits import vips
from photorestore.imaging.files.png import without_long_texts
from photorestore.imaging.files.sniff import HEIF, JPEG_2000, sniff
from photorestore.options import Options
from photorestore.pixels.hidden import with_hidden
from photorestore.stages.base import run_stage
from photorestore.workspace import Workspace
from tests.broken_inputs import COUNT, broken_inputs
from tests.conftest import loaded_stage, source_of
from tests.unit.imaging.test_imaging import as_rgb

INPUTS = broken_inputs()
PARTS = 10


def expected_pixels(name: str, upload: bytes) -> np.ndarray:
    """What the decoder gives for a broken picture that it does decode."""
    if (pixels := _by_libraries_of_their_own(upload)) is not None:
        return pixels
    if "lzw tiff" in name:
        upload = _of_one_plane(upload)
    if "16-bit" in name:
        return vips().Image.new_from_buffer(upload, "").numpy()[..., :3]
    return np.asarray(as_rgb(ImageOps.exif_transpose(by_pillow(upload))))


def _by_libraries_of_their_own(upload: bytes) -> np.ndarray | None:
    """Of a HEIC or JPEG 2000, in the depth of our planes."""
    if sniff(upload) in HEIF:
        file = pillow_heif.open_heif(upload, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        bits = 16 if file.info["bit_depth"] > 8 else 8
        return to_full_range(np.asarray(file)[..., :3], file.info["bit_depth"] if bits == 16 else 8)
    if sniff(upload) in JPEG_2000:
        return openjpeg.utils.decode(upload[upload.index(b"\xff\x4f\xff\x51") :], 0)
    return None


def _of_one_plane(upload: bytes) -> bytes:
    """With the tag of planes that grey may lack, of which libtiff wants a right count nevertheless."""
    at = upload.find(struct.pack("<HH", 284, 3)) + 4
    return upload[:at] + struct.pack("<II", 1, 1) + upload[at + 8 :] if at > 4 else upload


def by_pillow(content: bytes) -> Image.Image:
    """Without the texts for which Pillow calls a PNG broken."""
    return Image.open(io.BytesIO(without_long_texts(content)[0]))


def restore(root: Path, upload: bytes) -> Workspace:
    workspace = Workspace.create(root, Options(stages=(), format="png"))
    workspace.write_file("upload", upload)
    for name in ("preprocess", "deliver"):
        run_stage(loaded_stage(name), [workspace])
    return workspace


def is_typed(problem: Problem) -> bool:
    types = {error.type for error in itertools.chain(*_subclasses(RestorationError))} - {"internal"}
    return problem.type in types and 400 <= problem.status < 500 and bool(problem.detail)


def _subclasses(base: type[RestorationError]) -> list[list[type[RestorationError]]]:
    return [[child, *itertools.chain(*_subclasses(child))] for child in base.__subclasses__()]


def test_there_are_300_of_them_and_they_are_always_the_same() -> None:
    assert len(INPUTS) == COUNT == len({name for name, _ in INPUTS}) == 300
    assert broken_inputs() == INPUTS


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # of the comparison
def test_broken_pictures_are_typed_problems_or_the_decoders_pixels(tmp_path: Path, part: int) -> None:
    for name, upload in INPUTS[part::PARTS]:
        workspace = restore(tmp_path, upload)
        problem = workspace.envelope.problem
        if problem is not None:
            assert is_typed(problem), (name, problem)
            assert workspace.read_file("result") is None, name
            continue
        expected = expected_pixels(name, upload)
        image = with_hidden(workspace, workspace.plane("image"))
        np.testing.assert_array_equal(np.moveaxis(image, 0, -1), expected, err_msg=name)
        result = workspace.read_file("result")
        assert result is not None, name
        if source_of(workspace).bits == 8:
            delivered = expected_pixels(name, bytes(result))
            np.testing.assert_array_equal(delivered, expected, err_msg=name)


@pytest.mark.parametrize(
    ("part_of_name", "type_"),
    [("cut at 8/16", "truncated-image"), ("30000x30000", "image-too-large"), ("pdf", "not-an-image")],
)
def test_the_type_says_what_is_wrong(tmp_path: Path, part_of_name: str, type_: str) -> None:
    for name, upload in INPUTS:
        if part_of_name in name:
            problem = restore(tmp_path, upload).envelope.problem
            assert problem is not None, name
            assert problem.type == type_, name
