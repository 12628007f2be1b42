"""Sizes in the parameter sets of a HEVC stream."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photorestore.errors import CorruptImage
from photorestore.imaging.files.boxes import Boxes
from photorestore.imaging.iso.hevc import coded_sizes
from tests.conftest import make_photo
from tests.heif_files import box, heic

SPS, VPS = 33, 32


def exponential(number: int) -> str:
    """An Exp-Golomb number, in bits."""
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def parameter_set(
    width: int, height: int, chroma: int = 1, layers: list[tuple[int, int]] | None = None
) -> bytes:
    """A sequence parameter set up to its size; of each layer whether it has a profile and a level."""
    present = layers or []
    bits = f"{0:04b}{len(present):03b}1" + "0" * 96
    if present:
        bits += "".join(f"{profile}{level}" for profile, level in [*present, *[(0, 0)] * (8 - len(present))])
        bits += "".join("1" * (88 * profile + 8 * level) for profile, level in present)
    bits += exponential(0) + exponential(chroma) + ("0" if chroma == 3 else "")
    bits += exponential(width) + exponential(height)
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big")
    escaped, zeros = bytearray(), 0
    for byte in content:  # as H.265, 7.3.1.1 asks for
        if zeros == 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\x42\1" + bytes(escaped)


def record(*units: tuple[int, bytes]) -> bytes:
    """A configuration record."""
    lists = b"".join(struct.pack(">BHH", kind, 1, len(unit)) + unit for kind, unit in units)
    return bytes(22) + bytes([len(units)]) + lists


def sizes_in(content: bytes) -> list[tuple[int, int]]:
    upload = box(b"hvcC", content)
    return list(coded_sizes(upload, Boxes(upload).top()))


@given(
    width=st.integers(1, 70_000),
    height=st.integers(1, 70_000),
    chroma=st.integers(0, 3),
    layers=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=6),
)
def test_the_size_is_read_whatever_stands_before_it(
    width: int, height: int, chroma: int, layers: list[tuple[int, int]]
) -> None:
    unit = parameter_set(width, height, chroma, layers)
    assert sizes_in(record((VPS, b"\0\0\0\0"), (SPS, unit))) == [(width, height)]


def test_each_parameter_set_is_read_and_other_boxes_are_not() -> None:
    content = record((SPS, parameter_set(64, 48)), (VPS, b"x"), (SPS | 0x80, parameter_set(640, 480)))
    upload = box(b"ispe", content) + box(b"hvcC", content)
    assert list(coded_sizes(upload, Boxes(upload).top())) == [(64, 48), (640, 480)]


def test_a_real_encoders_parameter_set_says_the_size() -> None:
    upload = heic(make_photo(48, 80))
    at = upload.index(b"hvcC") - 4
    content = upload[at + 8 : at + int.from_bytes(upload[at : at + 4], "big")]
    ((width, height),) = sizes_in(content)
    assert (width, height) >= (80, 48)
    assert width - 80 < 64
    assert height - 48 < 64


def broken() -> Iterator[tuple[str, bytes, str]]:
    whole = record((SPS, parameter_set(64, 48)))
    yield "no list", bytes(22), "configuration breaks off"
    yield "a list that breaks off", whole[:25], "configuration breaks off"
    yield "a length that breaks off", whole[:27], "configuration breaks off"
    yield "a set that breaks off", whole[:40], "parameter set breaks off"
    yield "an empty set", record((SPS, b"")), "parameter set breaks off"
    yield "zeros in place of a number", record((SPS, b"\x42\1\1" + bytes(60))), "no number where one is due"


@pytest.mark.parametrize(("content", "told"), [pytest.param(*case[1:], id=case[0]) for case in broken()])
def test_what_is_broken_is_said(content: bytes, told: str) -> None:
    with pytest.raises(CorruptImage, match=told):
        sizes_in(content)
