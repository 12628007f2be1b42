"""Cameras' raw files: their heads without LibRaw, and what they are developed to."""

import contextlib
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from bench.demosaic import by_libraw, light_of
from bench.dng import BAYER, XTRANS, XYZ_TO_CAMERA, Camera, dng, mosaic_of, to_levels
from photorestore.errors import (
    CorruptImage,
    ImageTooLarge,
    InvalidInput,
    NotAnImage,
    TruncatedImage,
)
from photorestore.imaging import Limits, encode, open_picture, open_to_decode
from photorestore.imaging.decoders.raw import XYZ_OF_SRGB, Demosaic
from photorestore.imaging.encode import Outgoing
from photorestore.imaging.files.sniff import RAW
from photorestore.imaging.metadata.attachments import collect
from photorestore.imaging.metadata.change import Change
from photorestore.imaging.metadata.exif import Exif, orientation_told
from photorestore.imaging.unchanged import own_type
from photorestore.networks.runner import load_runner
from photorestore.options import Options
from photorestore.stages.preprocess.demosaic import demosaick
from photorestore.stages.preprocess.demosaic_network import weighted_means
from photorestore.workspace import Array
from tests.conftest import make_photo
from tests.raw_files import ISO, TAKEN, cr3, mosaicked, raf

QUAD = ("RRGG", "RRGG", "GGBB", "GGBB")
SMOOTH = (np.indices((520, 516)).sum(0)[..., None] / (6, 8, 7) + (20, 40, 60)).astype(np.uint8)
CANON = Camera(XYZ_TO_CAMERA, (0.5, 1.0, 0.66), black=1024, white=15000, make="Canon", model="EOS")


def means(mosaic: Array, pattern: Array, target: Array) -> None:
    """Demosaick by weighted means, which are right where a picture is smooth."""
    measured, there = (torch.from_numpy(plane.astype(np.float32))[None] for plane in (mosaic, pattern // 255))
    target[:] = weighted_means(measured * there, there)[0].round().numpy()


def developed(upload: bytes, demosaic: Demosaic | None = means) -> np.ndarray:
    """(H, W, 3) in 8-bit units, not rounded."""
    picture = open_to_decode(upload, demosaic=demosaic)
    image = np.empty((3, *picture.header.upright_hw), np.uint16)
    picture.decode(image, None)
    return np.moveaxis(image, 0, -1) / 257


def measured_by(camera: Camera, photo: np.ndarray) -> np.ndarray:
    """The light that a camera's channels measure of a photograph in sRGB."""
    matrix = np.array(camera.matrix) @ XYZ_OF_SRGB
    matrix /= matrix.sum(axis=1, keepdims=True)
    return light_of(photo / 255) @ matrix.T * np.array(camera.neutral)


@pytest.mark.parametrize("make", [raf, cr3])
def test_heads_are_read_without_libraw(make: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    header = open_picture(make(40, 60, orientation=6)).header
    assert (header.format, header.upright_hw, header.bits) == (make.__name__, (60, 40), 16)
    assert header.exif is not None
    assert b"Test" in header.exif
    assert header.icc is not None
    header = open_picture(mosaicked(SMOOTH, BAYER, orientation=8)).header
    assert (header.format, header.upright_hw) == ("dng", (516, 520))


def test_limits_hold_before_libraw_sees_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    for upload in (raf(4000, 6000), cr3(4000, 6000), mosaicked(SMOOTH, BAYER)):
        with pytest.raises(ImageTooLarge):
            open_to_decode(upload, Limits(pixels=100_000))


def test_what_libraw_finds_is_held_against_the_limits_too() -> None:
    small = {50829: (4, [0, 0, 100, 100])}  # the part that counts; LibRaw unpacks the whole
    upload = mosaicked(SMOOTH, BAYER, more=small)
    limits = Limits(pixels=20_000)
    assert open_picture(upload, limits).header.upright_hw == (100, 100)
    with pytest.raises(ImageTooLarge):
        open_to_decode(upload, limits)


@pytest.mark.parametrize("pattern", [BAYER, ("GR", "BG"), ("GB", "RG"), ("BG", "GR"), XTRANS])
def test_colours_are_those_of_libraw(pattern: tuple[str, ...]) -> None:
    upload = dng(mosaic_of(measured_by(CANON, SMOOTH), pattern, CANON), pattern, CANON)
    inner = np.s_[8:-8, 8:-8]
    expected = by_libraw(upload)[inner] / 257
    network = partial(demosaick, load_runner("preprocess_demosaic"), None)
    for demosaic in (network, means, None):
        assert np.abs(developed(upload, demosaic)[inner] - expected).max() <= 3
    assert np.abs(expected - SMOOTH[inner]).max() <= 3


def test_other_patterns_are_those_that_the_file_tells() -> None:
    upload = mosaicked(SMOOTH, QUAD)
    assert np.abs(developed(upload)[8:-8, 8:-8] - SMOOTH[8:-8, 8:-8]).max() <= 3


def test_files_without_a_mosaic_are_developed_by_libraw() -> None:
    upload = dng(to_levels(light_of(SMOOTH / 255)), None)
    assert np.abs(developed(upload) - SMOOTH).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_raw_files_stand_upright(orientation: int) -> None:
    photo = make_photo(60, 90)
    whole = developed(mosaicked(photo, BAYER))
    turned = developed(mosaicked(photo, BAYER, orientation=orientation))
    flipped = whole[:, ::-1] if orientation in (2, 4, 5, 7) else whole
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: -1, 7: -1, 8: 1}[orientation]
    np.testing.assert_array_equal(turned, np.rot90(flipped, turns))


def test_exif_is_kept_and_a_result_is_no_raw_file() -> None:
    exif = {ISO: (3, [800]), TAKEN: (2, b"2009:08:07 06:05:04\0")}
    upload = mosaicked(make_photo(40, 60), BAYER, orientation=6, exif=exif)
    header = open_picture(upload).header
    assert header.orientation == 6
    dropped = list[str]()
    change = Change(40, 60, 60, 40, orientation=6, gps=True, is_converted=True)
    attachments = collect(upload, header.format, change, dropped, exif=header.exif, xmp=header.xmp)
    assert isinstance(attachments.exif, Exif)
    assert attachments.exif.details[TAKEN].content.startswith(b"2009")
    outgoing = Outgoing(np.zeros((3, 60, 40), np.uint16), None, 16, is_grey=False)
    outgoing.attachments = attachments
    result = open_picture(bytes(encode(outgoing, "tiff", 95))).header
    assert (result.format, result.bits, orientation_told(result.exif) or 1) == ("tiff", 16, 1)
    assert result.exif is not None
    assert b"Model 1" in result.exif


def test_a_raw_file_is_never_the_answer() -> None:
    header = open_picture(mosaicked(make_photo(40, 60), BAYER)).header
    assert own_type(header, Options(colour="source"), "*/*") is None
    assert own_type(header, Options(), f"image/{header.format}") is None


def test_what_libraw_does_not_read_is_refused_by_the_name_of_the_camera() -> None:
    upload = mosaicked(make_photo(40, 60), BAYER, CANON, more={259: (3, [52546])})
    open_picture(upload)
    with pytest.raises(NotAnImage, match="of Canon EOS is not read"):
        developed(upload)


@pytest.mark.parametrize("start", [b"IIRO\x08\0\0\0", b"IIU\0\x18\0\0\0", b"FOVb\0\0\2\0"])
def test_other_raw_files_are_refused_by_name(start: bytes) -> None:
    with pytest.raises(NotAnImage, match="camera raw"):
        open_picture(start.ljust(64, b"\0"))


def test_a_file_that_breaks_off_is_refused() -> None:
    upload = mosaicked(SMOOTH, BAYER)
    short = mosaicked(SMOOTH, BAYER, more={273: (4, [4000])})
    for broken in (upload[:2000], short, raf(40, 60)[:100], cr3(40, 60)[:60], cr3(40, 60)[:-9]):
        with pytest.raises((TruncatedImage, CorruptImage)):
            open_picture(broken)


def test_changed_heads_are_read_or_refused() -> None:
    rng = np.random.default_rng(0)
    wholes = [raf(40, 60), cr3(40, 60), mosaicked(make_photo(8, 8), BAYER)]
    for number in range(600):
        upload = bytearray(wholes[number % 3])
        for _ in range(int(rng.integers(1, 6))):
            upload[rng.integers(0, len(upload))] = rng.integers(0, 256)
        with contextlib.suppress(InvalidInput):
            header = open_picture(bytes(upload)).header
            assert min(header.upright_hw) > 0
            assert header.format in (*RAW, "tiff")
