"""What the boxes of HEIC and AVIF files say of their pictures: what their decoders find, without their being asked."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from photorestore.errors import CorruptImage, ImageTooLarge, NotAnImage, TruncatedImage
from photorestore.imaging import LIMITS, Limits, open_picture
from photorestore.imaging.decoders.avif import AvifPicture
from photorestore.imaging.decoders.heif import HeifPicture, _library
from tests.conftest import make_photo
from tests.heif_files import (
    ALPHA,
    Part,
    auxiliary,
    coded,
    coded_av1,
    cut,
    grid,
    heic,
    heif,
    mirror,
    nclx,
    size,
    turn,
)
from tests.jp2_files import codestream, jp2
from tests.unit.imaging.test_imaging import decoded, hwc, saved, wide_gamut_profile

PHOTO = make_photo(48, 64, seed=3)
GREY = PHOTO[..., 0].copy()
SMALL = PHOTO[:32, :32].copy()
DEEP = PHOTO.astype(np.uint16) * 257
EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0\x06\0\0\0\x1a\0\0\0\0\0\0\0house\0"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def tiles(count: int = 6) -> list[Part]:
    parts = [coded(make_photo(64, 64, seed=seed)) for seed in range(count)]
    for part in parts:
        part.is_hidden = True
    return parts


def tiled(whole: Part, *further: Part, wide: bool = False) -> bytes:
    references = [(b"dimg", 1, list(range(2, 8)))] + [
        (b"auxl", 8 + index, [1]) for index in range(len(further))
    ]
    return heif([whole, *tiles(), *further], references, wide=wide)


def overlay(layer: Part, *opacity: Part) -> bytes:
    """A layer on a canvas of 100x80 px; opacity of the layer is none of the whole."""
    content = struct.pack(">BBHHHHHHii", 0, 0, 0, 0, 0, 65_535, 100, 80, 5, 6)
    canvas = Part(content, [size(100, 80), nclx(1, 13)], kind=b"iovl", in_idat=True)
    return heif([canvas, layer, *opacity], [(b"dimg", 1, [2]), *((b"auxl", 3, [2]) for _ in opacity)])


def by_library(pixels: np.ndarray, **settings: Any) -> bytes:
    file = io.BytesIO()
    picture = pillow_heif.from_pillow(Image.fromarray(pixels))
    if "icc" in settings:
        picture.info["icc_profile"] = settings.pop("icc")
    picture.save(file, quality=60, **settings)
    return file.getvalue()


ALPHA_OF_GRID = make_photo(120, 180)[..., 0].copy()
WITH_ALPHA = make_photo(700, 900)[..., [0, 1, 2, 0]]
HEIC: dict[str, Callable[[], bytes]] = {
    "plain": lambda: heif([coded(PHOTO)]),
    "with long numbers": lambda: heif([coded(PHOTO)], wide=True),
    "of odd sides": lambda: heif([coded(make_photo(47, 61))]),
    "of one pixel": lambda: heic(np.zeros((1, 1, 3), np.uint8)),
    "long": lambda: heic(make_photo(16, 3000)),
    "grey": lambda: heif([coded(GREY, "L")]),
    "of ten bits": lambda: heif([coded(DEEP, "RGB;16")]),
    "grey of ten bits": lambda: heif([coded(DEEP[..., 0].copy(), "I;16")]),
    "opacity of ten bits": lambda: heic(np.dstack([DEEP, DEEP[..., :1]]), "RGBA;16"),
    "cut": lambda: heif([coded(PHOTO, "RGB", cut(40, 30, 2, -3))]),
    "cut by halves": lambda: heif([coded(PHOTO, "RGB", cut(40, 30, 1, 1, 2))]),
    "cut, then turned": lambda: heif([coded(PHOTO, "RGB", cut(40, 30), turn(1))]),
    "turned, then cut": lambda: heif([coded(PHOTO, "RGB", turn(1), cut(30, 40))]),
    "opacity": lambda: heif([coded(PHOTO), coded(GREY, "L", ALPHA)], [(b"auxl", 2, [1])]),
    "opacity of grey": lambda: heif([coded(GREY, "L"), coded(GREY, "L", ALPHA)], [(b"auxl", 2, [1])]),
    "premultiplied": lambda: heif(
        [coded(PHOTO), coded(GREY, "L", ALPHA)], [(b"auxl", 2, [1]), (b"prem", 1, [2])]
    ),
    "thumbnail": lambda: heif([coded(PHOTO), coded(SMALL)], [(b"thmb", 2, [1])]),
    "second of two": lambda: heif([coded(SMALL), coded(PHOTO)], primary=2),
    "grid": lambda: tiled(grid(3, 2, 180, 120)),
    "grid with long numbers": lambda: tiled(grid(3, 2, 180, 120, wide=True), wide=True),
    "grid, turned": lambda: tiled(grid(3, 2, 180, 120, turn(3), mirror(0))),
    "grid with colours of its own": lambda: tiled(grid(3, 2, 180, 120, nclx(12, 13))),
    "grid with opacity": lambda: tiled(grid(3, 2, 180, 120), coded(ALPHA_OF_GRID, "L", ALPHA)),
    "overlay": lambda: overlay(coded(PHOTO)),
    "overlay of one with opacity": lambda: overlay(coded(PHOTO), coded(GREY, "L", ALPHA)),
    "profile and metadata": lambda: by_library(PHOTO, icc=wide_gamut_profile(), exif=EXIF, xmp=XMP),
    "thumbnails of the library": lambda: by_library(make_photo(300, 400), thumbnails=[64, 128]),
    "grid of the library": lambda: by_library(make_photo(700, 900), tile_size=256),
    "grid with opacity of the library": lambda: by_library(WITH_ALPHA, tile_size=256),
} | {
    f"turned by {quarters}, mirrored by {axis}": lambda quarters=quarters, axis=axis: heif(
        [coded(PHOTO, "RGB", turn(quarters), *([] if axis is None else [mirror(axis)]))]
    )
    for quarters in range(4)
    for axis in (None, 0, 1)
}  # fmt: skip


@pytest.mark.parametrize("name", HEIC)
def test_the_boxes_of_a_heic_say_what_its_decoder_finds(name: str) -> None:
    upload = HEIC[name]()
    picture = open_picture(upload)
    assert isinstance(picture, HeifPicture)
    header, head = picture.header, picture._head
    told = (header.width, header.height, header.mode, head.bits, header.exif, header.xmp, head.icc, head.nclx)
    file = _library().open_heif(upload, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    profile = image.info.get("nclx_profile")
    code = profile and (profile["color_primaries"], profile["transfer_characteristics"])
    found = [image.info.get(entry) for entry in ("bit_depth", "exif", "xmp", "icc_profile")]
    assert told == (*image.size, image.mode, *found, code)
    assert ("further pictures" in header.dropped) == (len(file) > 1)
    image_, _ = decoded(upload)
    assert image_.any() or name == "of one pixel"


def avif(pixels: np.ndarray, **settings: Any) -> bytes:
    return saved(Image.fromarray(pixels), "AVIF", quality=100, **settings)


def turned_avif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return avif(PHOTO, exif=exif, subsampling="4:4:4")


AVIF: dict[str, Callable[[], bytes]] = {
    "colour": lambda: avif(PHOTO),
    "grey": lambda: avif(GREY),
    "opacity": lambda: avif(np.dstack([PHOTO, GREY]), subsampling="4:2:2"),
    "opacity of grey": lambda: saved(Image.fromarray(PHOTO).convert("LA"), "AVIF"),
    "premultiplied": lambda: avif(np.dstack([PHOTO // 2, GREY]), alpha_premultiplied=True),
    "profile and metadata": lambda: avif(PHOTO, icc_profile=wide_gamut_profile(), exif=EXIF, xmp=XMP),
    "animated": lambda: avif(PHOTO, save_all=True, append_images=[Image.fromarray(PHOTO[::-1])], xmp=XMP),
    "put together": lambda: heif([coded_av1(PHOTO)], brand=b"avif"),
} | {f"turned by {number}": lambda number=number: turned_avif(number) for number in range(1, 9)}


@pytest.mark.parametrize("name", AVIF)
def test_the_boxes_of_an_avif_say_what_its_decoder_finds(name: str) -> None:
    upload = AVIF[name]()
    picture = open_picture(upload)
    assert isinstance(picture, AvifPicture)
    header, head = picture.header, picture._head
    with Image.open(io.BytesIO(upload)) as image:
        assert (head.stored, header.mode) == (image.size, image.mode)
        assert (header.xmp, head.icc) == (image.info.get("xmp"), image.info.get("icc_profile"))
        assert header.orientation == image.getexif().get(0x0112, 1)
        assert ("further frames" in header.dropped) == getattr(image, "is_animated", None)
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    if name == "profile and metadata":
        assert header.exif == EXIF
    else:
        np.testing.assert_array_equal(hwc(decoded(upload)[0]), expected)


def test_an_avif_is_cut_as_it_says_and_then_turned() -> None:
    upload = heif([coded_av1(PHOTO, cut(40, 30, 2, -3), turn(1), mirror(1))], brand=b"avif")
    whole = hwc(decoded(heif([coded_av1(PHOTO)], brand=b"avif"))[0])
    expected = np.rot90(whole[6:36, 14:54])[:, ::-1]
    np.testing.assert_array_equal(hwc(decoded(upload)[0]), expected)


@pytest.mark.parametrize(
    "upload",
    [heic(PHOTO), tiled(grid(3, 2, 180, 120)), avif(PHOTO), jp2(PHOTO), codestream(PHOTO)],
    ids=["heic", "grid", "avif", "jp2", "j2c"],
)
def test_no_library_sees_a_byte_before_pixels_are_wanted(
    upload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a library was called")

    for name in ("heif._library", "jp2._library", "avif.Image.open"):
        monkeypatch.setattr(f"photorestore.imaging.decoders.{name}", refuse)
    picture = open_picture(upload)
    assert picture.header.upright_hw in [(48, 64), (120, 180)]
    with pytest.raises(CorruptImage):
        picture.decode(np.zeros((3, *picture.header.upright_hw), np.uint8), None)


def test_a_file_that_holds_another_picture_than_it_tells_is_refused() -> None:
    part = coded(PHOTO)
    part.properties[0] = size(64, 40)
    with pytest.raises(CorruptImage):
        decoded(heif([part]))


def test_what_a_decoder_would_make_room_for_is_held_against_the_limits() -> None:
    huge = grid(3, 2, 30_000, 30_000)
    huge.properties[0] = size(180, 120)
    with pytest.raises(ImageTooLarge):
        open_picture(tiled(huge))
    with pytest.raises(ImageTooLarge):
        open_picture(heif([coded(PHOTO), coded(make_photo(200, 200))]), Limits(pixels=30_000))
    assert LIMITS.pixels > 30_000


def test_auxiliary_pictures_that_are_no_opacity_are_named() -> None:
    name = b"urn:com:apple:photo:2020:aux:hdrgainmap"
    upload = heif([coded(PHOTO), coded(GREY, "L", auxiliary(name))], [(b"auxl", 2, [1])])
    header = open_picture(upload).header
    assert not header.has_alpha
    assert header.dropped == [f"auxiliary picture: {name.decode()}"]


def test_orientation_that_only_xmp_tells_is_named() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
    upload = by_library(PHOTO, xmp=XMP.ljust(len(xmp))).replace(XMP.ljust(len(xmp)), xmp)
    assert open_picture(upload).header.dropped == [
        "orientation: EXIF or XMP says 6; in HEIF the container counts, which does not turn"
    ]


def test_metadata_that_are_not_kept_are_named() -> None:
    packed = Part(b"x", kind=b"mime", info=b"\0application/rdf+xml\0deflate\0")
    text = Part(b"a house", kind=b"mime", info=b"\0text/plain\0")
    regions = Part(b"x", kind=b"rgan")
    references = [(b"cdsc", number, [1]) for number in (2, 3, 4)]
    header = open_picture(heif([coded(PHOTO), packed, text, regions], references)).header
    assert header.xmp is None
    assert header.dropped == [
        "rgan: metadata that are not kept",
        "text/plain: metadata that are not kept",
        "xmp: packed in the file",
    ]


@pytest.mark.parametrize(
    ("upload", "name"),
    [
        (heif([Part(b"x", [size(4, 4)], kind=b"avc1")]), "AVC"),
        (heif([Part(b"", [size(64, 48), turn(1)], kind=b"iden"), coded(PHOTO)], [(b"dimg", 1, [2])]), "iden"),
        (heif([coded_av1(PHOTO, turn(1), cut(30, 40))], brand=b"avif"), "first cut, then turned"),
        (b"\0\0\0\x14ftypmsf1\0\0\0\0hevc\0\0\0\x08moov", "sequence"),
    ],
    ids=["avc", "derived", "wrong order", "sequence"],
)
def test_what_is_not_read_is_refused_by_its_name(upload: bytes, name: str) -> None:
    with pytest.raises(NotAnImage, match=name):
        open_picture(upload)


def test_what_breaks_off_says_so_before_pixels_are_decoded() -> None:
    for upload in (heic(PHOTO), avif(PHOTO)):
        for share in (0.3, 0.6, 0.95):
            with pytest.raises(TruncatedImage):
                open_picture(upload[: int(share * len(upload))])


@pytest.mark.parametrize(
    "upload",
    [
        heif([grid(3, 2, 180, 120), *tiles()]),
        heif([grid(1, 1, 64, 64)], [(b"dimg", 1, [1])]),
        heif([coded(PHOTO)], primary=2),
        heif([Part(b"x")]),
        heif([coded(PHOTO, "RGB", cut(40, 30, 0, 0, 0))]),
    ],
    ids=["no tiles", "made of itself", "no picture", "no properties", "a cut of no size"],
)
def test_what_contradicts_itself_is_corrupt(upload: bytes) -> None:
    with pytest.raises(CorruptImage):
        open_picture(upload)


def test_parts_that_take_no_bytes_to_tell_do_not_keep_the_reader_busy() -> None:
    places = struct.pack(">HHHH", 1, 0, 0, 65_535)
    iloc = struct.pack(">I4sI", 16 + len(places), b"iloc", 1 << 24) + b"\0\0\0\1" + places
    upload = heic(PHOTO)
    at = upload.index(b"iloc") - 4
    length = int.from_bytes(upload[at : at + 4], "big")
    with pytest.raises(CorruptImage):
        open_picture(upload[:at] + iloc.ljust(length, b"\0") + upload[at + length :])
