"""Time to read, decode and bring up to date what is made to keep a reader busy: in proportion to its bytes."""

import io
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from photorestore.errors import RestorationError
from photorestore.imaging import LIMITS, open_picture
from photorestore.imaging.heads import BoundedReader
from photorestore.imaging.metadata.attach import attach
from photorestore.imaging.metadata.attachments import collect
from photorestore.imaging.metadata.change import Change
from tests.container_pieces import saved
from tests.hostile_containers import FAMILIES
from tests.mixed_containers import MIXED, mixture

LONGEST_S = 3.0
ENCODED = saved("JPEG")
MIXTURES = [(kind, seed) for kind in MIXED for seed in range(3)]


def restore_nothing(upload: bytes) -> float:
    """Seconds of computing for all that is done to an upload but for the networks and the result's pixels."""
    start = time.process_time()
    try:
        picture = open_picture(upload)
        header = picture.header
        shape = header.upright_hw
        change = Change(24, 32, 32, 24, orientation=6, gps=False)
        found = collect(upload, header.format, change, [], exif=header.exif, xmp=header.xmp)
        found.settle("jpeg", [])
        attach(io.BytesIO(ENCODED), "jpeg", found, [])
        depth = np.dtype(np.uint16 if header.bits == 16 else np.uint8)
        alpha = np.zeros((1, *shape), depth) if header.has_alpha else None
        picture.decode(np.zeros((3, *shape), depth), alpha)
    except RestorationError:
        pass
    return time.process_time() - start


def check(make: Callable[[int], bytes]) -> None:
    quarter, whole = (make(length)[:length] for length in (LIMITS.upload_bytes // 4, LIMITS.upload_bytes))
    for _ in range(3):  # what else computes on this machine slows it, too
        quarter_s, whole_s = restore_nothing(quarter), restore_nothing(whole)
        if whole_s < min(LONGEST_S, 6 * quarter_s + 0.3):
            return
    pytest.fail(f"{whole_s:.2f} s for {len(whole)} bytes, {quarter_s:.2f} s for a quarter of them")


@pytest.mark.parametrize("name", FAMILIES)
def test_longest_upload_of_each_hostile_family_takes_little_time(name: str) -> None:
    check(FAMILIES[name])


@pytest.mark.parametrize(("kind", "seed"), MIXTURES)
def test_longest_upload_of_pieces_drawn_by_chance_takes_little_time(kind: str, seed: int) -> None:
    check(lambda length: mixture(kind, length, seed))


def test_reader_that_was_used_up_serves_the_pixels_anew_and_is_bounded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("photorestore.imaging.heads.FEWEST_READS", 10)
    reader = BoundedReader(bytes(100), "png")
    for _ in range(10):
        reader.read(1)
    reader.renew()
    with pytest.raises(RestorationError, match="more pieces"):
        for _ in range(12):
            reader.read(1)


def test_head_that_takes_too_long_is_refused_but_not_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photorestore.imaging.heads.LONGEST_S", 0.0)
    reader = BoundedReader(bytes(1 << 20), "png")
    with pytest.raises(RestorationError, match="takes more than"):
        reader.read()
    reader.renew()
    reader.seek(0)
    assert len(reader.read()) == 1 << 20


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_what_follows_a_picture_is_not_counted(kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, kind)
    assert open_picture(file.getvalue() + bytes(4 << 20)).header.upright_hw == (30, 40)
