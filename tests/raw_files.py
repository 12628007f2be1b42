"""Raw files made in code, beside `bench.dng`: the heads of a RAF and of a CR3."""

import io
import struct

import numpy as np
from PIL import Image

from bench.demosaic import light_of
from bench.dng import Camera, dng, mosaic_of
from photorestore.imaging.decoders.raw_header import CANON
from tests.heif_files import box

ISO, TAKEN = 34855, 36867
SRGB_CAMERA = Camera()


def mosaicked(
    photo: np.ndarray, pattern: tuple[str, ...], camera: Camera = SRGB_CAMERA, **more: object
) -> bytes:
    """A DNG of an 8-bit photograph (H, W, 3), as a camera with the channels of sRGB measures it."""
    return dng(mosaic_of(light_of(photo / 255), pattern, camera), pattern, camera, **more)  # type: ignore[arg-type]


def exif_of(make: str, model: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[271], exif[272], exif[274] = make, model, orientation
    exif.get_ifd(34665)[ISO] = 400
    return exif.tobytes()


def raf(height: int, width: int, orientation: int = 1) -> bytes:
    """The head of a RAF: a preview with EXIF, and the directory of the sensor, of which there is nothing."""
    preview = io.BytesIO()
    Image.new("RGB", (16, 16)).save(preview, "JPEG", exif=exif_of("FUJIFILM", "X-Test", orientation))
    content = preview.getvalue()
    sizes = struct.pack(">IHHHHHHHH", 2, 0x100, 4, height + 8, width + 8, 0x121, 4, height, width)
    start = 160
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0")
    head += struct.pack(
        ">IIIIII", start, len(content), start + len(content), len(sizes), start + len(content), 0
    )
    return head.ljust(start, b"\0") + content + sizes


def cr3(height: int, width: int, orientation: int = 1) -> bytes:
    """The head of a CR3: boxes with directories, and no picture."""
    exif = Image.Exif()
    exif[256], exif[257], exif[271], exif[272], exif[274] = width, height, "Canon", "EOS Test", orientation
    details = Image.Exif()
    details[ISO] = 400
    blocks = [(b"CMT1", exif), (b"CMT2", details)]
    canon = b"".join(box(name, block.tobytes().removeprefix(b"Exif\0\0")) for name, block in blocks)
    movie = box(b"moov", box(b"uuid", CANON + canon))
    return box(b"ftyp", b"crx \0\0\0\1crx isom") + movie + box(b"mdat", bytes(64))
