"""Every kind of picture in, every format out, through the whole service; exiftool says what came back."""

import io
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pillow_heif
import pytest
import pyvips
import requests
from PIL import Image, ImageCms

from tests.e2e.conftest import Service
from tests.heif_files import heic

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed"),
]
H, W = 20, 30
KEEPS_16_BITS = {"png", "tiff"}
KEEPS_ALPHA = {"png", "tiff", "webp", "avif"}


@dataclass(frozen=True)
class Kind:
    """A picture, and what it holds."""

    encoded: bytes
    bits: int = 8
    has_alpha: bool = False
    is_turned: bool = False
    is_tagged: bool = False


def pixels(channels: int, bits: int = 8) -> np.ndarray:
    """A soft picture, so that formats that lose something lose little; alpha is a ramp."""
    y, x = np.mgrid[0:H, 0:W]
    planes = [0.2 + 0.6 * ((x + k * y) % 40) / 40 for k in range(channels)]
    return (np.stack(planes, -1) * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def tags() -> Image.Exif:
    """Quarter turn, camera, place."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Balda"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)})
    return exif


def pillow(mode: str, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    channels = len(Image.new(mode, (1, 1)).getbands())
    array = pixels(channels).squeeze()
    Image.fromarray(array, mode).save(buffer, file_format, **options)
    return buffer.getvalue()


def vips(channels: int, suffix: str) -> bytes:
    kind = "rgb16" if channels > 2 else "grey16"
    encoded: bytes = (
        pyvips.Image.new_from_array(pixels(channels, 16)).copy(interpretation=kind).write_to_buffer(suffix)
    )
    return encoded


def heif(mode: str, **options: Any) -> bytes:
    """Told to be turned by its container as its EXIF says."""
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels(len(mode)), mode)
    pillow_heif.from_pillow(picture).save(buffer, quality=-1, chroma=444, **options)
    return buffer.getvalue()


def deep_jpeg_2000() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(1, 16).squeeze()).save(buffer, "JPEG2000", num_resolutions=3)
    return buffer.getvalue()


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


KINDS: dict[str, Callable[[], Kind]] = {
    "colour JPEG, turned, with EXIF, GPS and ICC": lambda: Kind(
        pillow("RGB", "JPEG", exif=tags(), icc_profile=profile()), is_turned=True, is_tagged=True
    ),
    "grey JPEG": lambda: Kind(pillow("L", "JPEG")),
    "CMYK JPEG": lambda: Kind(pillow("CMYK", "JPEG")),
    "grey and alpha PNG": lambda: Kind(pillow("LA", "PNG"), has_alpha=True),
    "colour and alpha PNG, turned, with EXIF": lambda: Kind(
        pillow("RGBA", "PNG", exif=tags()), has_alpha=True, is_turned=True, is_tagged=True
    ),
    "16-bit colour PNG": lambda: Kind(vips(3, ".png"), bits=16),
    "16-bit colour and alpha PNG": lambda: Kind(vips(4, ".png"), bits=16, has_alpha=True),
    "16-bit grey PNG": lambda: Kind(vips(1, ".png"), bits=16),
    "16-bit colour TIFF": lambda: Kind(vips(3, ".tif"), bits=16),
    "CMYK TIFF": lambda: Kind(pillow("CMYK", "TIFF")),
    "WebP with alpha and EXIF": lambda: Kind(
        pillow("RGBA", "WEBP", exif=tags(), lossless=True), has_alpha=True, is_turned=True, is_tagged=True
    ),
    "HEIC, turned, with EXIF": lambda: Kind(
        heif("RGB", exif=tags().tobytes()), is_turned=True, is_tagged=True
    ),
    "HEIC with alpha": lambda: Kind(heif("RGBA"), has_alpha=True),
    "10-bit HEIC": lambda: Kind(heic(pixels(3, 16), "RGB;16"), bits=16),
    "10-bit HEIC with alpha": lambda: Kind(heic(pixels(4, 16), "RGBA;16"), bits=16, has_alpha=True),
    "10-bit grey HEIC": lambda: Kind(heic(pixels(1, 16), "I;16"), bits=16),
    "JPEG 2000": lambda: Kind(pillow("RGB", "JPEG2000", num_resolutions=3)),
    "JPEG 2000 with alpha": lambda: Kind(pillow("RGBA", "JPEG2000", num_resolutions=3), has_alpha=True),
    "16-bit grey JPEG 2000": lambda: Kind(deep_jpeg_2000(), bits=16),
    "JPEG 2000 codestream": lambda: Kind(pillow("L", "JPEG2000", num_resolutions=3, no_jp2=True)),
    "AVIF with EXIF": lambda: Kind(pillow("RGB", "AVIF", exif=tags()), is_turned=True, is_tagged=True),
    "palette GIF": lambda: Kind(pillow("RGB", "GIF")),
    "BMP": lambda: Kind(pillow("RGB", "BMP")),
}


Read: TypeAlias = Callable[[Path], dict[str, Any]]


@pytest.fixture(scope="module")
def exiftool() -> Iterator[Read]:
    """Reads what a file says; one process for all files."""
    command = ["exiftool", "-stay_open", "True", "-@", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        orders, answers = running.stdin, running.stdout

        def read(file: Path) -> dict[str, Any]:
            orders.write(f"-j\n-n\n{file}\n-execute\n")
            orders.flush()
            told = ""
            while not told.endswith("{ready}\n"):
                line = answers.readline()
                assert line, "exiftool has ended"
                told += line
            (document,) = json.loads(told.removesuffix("{ready}\n"))
            return document

        yield read
        orders.write("-stay_open\nFalse\n")


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_back_is_what_went_in(
    service: Service, exiftool: Read, tmp_path: Path, kind: str, format_: str
) -> None:
    sent = KINDS[kind]()
    query = f"stages=&format={format_}&return="
    answer = requests.post(f"{service.gateway_url}/v1/restore?{query}image", data=sent.encoded, timeout=120)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"image/{format_}"
    report = requests.post(
        f"{service.gateway_url}/v1/restore?{query}report", data=sent.encoded, timeout=120
    ).json()
    file = tmp_path / f"restored.{format_}"
    file.write_bytes(answer.content)
    found = exiftool(file)
    size = (H, W) if sent.is_turned else (W, H)
    assert (found["ImageWidth"], found["ImageHeight"]) == size
    assert found.get("Orientation", 1) == 1
    assert "sRGB" in found.get("ProfileDescription", "sRGB")
    if sent.is_tagged:
        assert found["Make"] == "Balda"
        assert found["GPSLatitude"] == pytest.approx(52.5)
    if format_ in KEEPS_16_BITS:
        depth = found.get("BitDepth", found.get("BitsPerSample"))
        assert {int(bits) for bits in str(depth).split()} == {sent.bits}
    lost = {entry.partition(":")[0] for entry in report["dropped"]}
    assert ("alpha" in lost) == (sent.has_alpha and format_ not in KEEPS_ALPHA)
    assert ("16 bits" in lost) == (sent.bits == 16 and format_ not in KEEPS_16_BITS)
    with Image.open(file) as picture:
        picture.load()
        has_alpha = "A" in picture.getbands() or "transparency" in picture.info
        assert picture.size == size
        assert has_alpha == (sent.has_alpha and format_ in KEEPS_ALPHA)


def test_places_are_left_out_on_request(service: Service, exiftool: Read, tmp_path: Path) -> None:
    sent = KINDS["colour JPEG, turned, with EXIF, GPS and ICC"]()
    for metadata, has_camera, has_place in (
        ("keep", True, True),
        ("no-gps", True, False),
        ("strip", False, False),
    ):
        url = f"{service.gateway_url}/v1/restore?stages=&metadata={metadata}"
        file = tmp_path / f"{metadata}.jpg"
        file.write_bytes(requests.post(url, data=sent.encoded, timeout=120).content)
        found = exiftool(file)
        assert ("Make" in found, "GPSLatitude" in found) == (has_camera, has_place)
