"""Boxes of ISO files: whatever stands in them, a walk ends, or is refused by one kind of error."""

import contextlib
import itertools
import struct
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.files.boxes import MOST_DEPTH, Box, Boxes, first
from photorestore.imaging.files.ends import breaks_off
from photorestore.imaging.files.pieces import FEWEST_PIECES
from photorestore.imaging.heads import check_head
from photorestore.imaging.iso.heif_items import read_items
from photorestore.imaging.iso.jp2_header import read_boxes
from tests.heif_files import box
from tests.unit.imaging.test_hostile_bytes import answered, often, run

NAMES = (
    b"meta",
    b"iprp",
    b"ipco",
    b"ipma",
    b"iinf",
    b"infe",
    b"iloc",
    b"iref",
    b"pitm",
    b"jp2h",
    b"jp2c",
    b"free",
)
LENGTHS = (
    "right",
    "right",
    "right",
    "zero",
    "long",
    "long and broken",
    "short",
    "beyond",
    "far beyond",
    "any",
)


@st.composite
def a_box(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> bytes:
    """One whose length is right, or told in one of the ways that a walk might stumble over."""
    name, content = draw(st.sampled_from(NAMES)), draw(contents)
    right = 8 + len(content)
    match draw(st.sampled_from(LENGTHS)):
        case "zero":
            length = 0
        case "long":
            return struct.pack(">I4sQ", 1, name, right + 8) + content
        case "long and broken":
            broken = draw(st.sampled_from([0, 1, 15, right + 9, 1 << 32, (1 << 64) - 1]))
            return struct.pack(">I4sQ", 1, name, broken) + content
        case "short":
            length = draw(st.integers(1, 7))
        case "beyond":
            length = right + draw(st.integers(1, 20))
        case "far beyond":
            length = 0xFFFFFFFF
        case "any":
            length = draw(st.integers(0, right + 8))
        case _:
            length = right
    return struct.pack(">I4s", length, name) + content


files = st.lists(
    st.recursive(
        a_box(st.binary(max_size=24)),
        lambda inner: (
            a_box(st.lists(inner, max_size=4).map(lambda parts: bytes(4) + b"".join(parts)))
            | a_box(st.lists(inner, max_size=4).map(b"".join))
        ),
        max_leaves=12,
    )
    | st.binary(max_size=12),
    max_size=5,
).map(b"".join)


def walk_all(upload: bytes, skipped: int) -> list[Box]:
    """Every box, taken for one that holds others."""
    boxes, found = Boxes(upload), list[Box]()

    def walk(holder: Box) -> None:
        for inner in boxes.within(holder, skipped):
            assert holder.start + skipped <= inner.start - 8 < inner.start <= inner.end <= holder.end
            found.append(inner)
            if inner.depth < MOST_DEPTH:
                walk(inner)

    for outer in boxes.top():
        assert 0 <= outer.start - 8 < outer.start <= outer.end <= len(upload)
        found.append(outer)
        walk(outer)
    return found


def test_a_walk_over_broken_boxes_ends_or_is_refused_as_corrupt() -> None:
    @often
    @given(files, st.sampled_from([0, 4]))
    def check(upload: bytes, skipped: int) -> None:
        boxes = Boxes(upload)
        tops = list(boxes.top())
        assert all(before.end < after.start for before, after in itertools.pairwise(tops))
        try:
            found = walk_all(upload, skipped)
        except CorruptImage:
            return
        assert len(found) <= len(upload) // 8 * MOST_DEPTH

    run(check)


def test_who_reads_boxes_answers_or_raises_what_it_says() -> None:
    @often
    @given(files)
    def check(upload: bytes) -> None:
        for kind in ("heic", "heif", "avif"):
            assert breaks_off(upload, kind) in (True, False)
            answered(partial(check_head, upload, kind))
        answered(lambda: read_boxes(upload))
        with contextlib.suppress(CorruptImage, NotAnImage, ValueError, LookupError, struct.error):
            read_items(upload)

    run(check)


def test_lengths_of_all_kinds_are_understood() -> None:
    plain, long = box(b"free", b"abc"), struct.pack(">I4sQ", 1, b"skip", 19) + b"def"
    last = struct.pack(">I4s", 0, b"mdat") + b"to the end"
    upload = plain + long + last
    found = [(box.name, upload[box.start : box.end], box.is_cut) for box in Boxes(upload).top()]
    assert found == [(b"free", b"abc", False), (b"skip", b"def", False), (b"mdat", b"to the end", False)]


def test_what_the_file_cuts_off_is_marked_and_what_follows_a_file_is_no_box() -> None:
    upload = box(b"meta", box(b"free", bytes(10)))
    (cut,) = Boxes(upload[:-3]).top()
    assert cut.is_cut
    (inner,) = Boxes(upload[:-3]).within(cut)
    assert (inner.is_cut, inner.size) == (True, 7)
    assert [box.name for box in Boxes(upload + b"\0\0\0\5junk and more").top()] == [b"meta"]


@pytest.mark.parametrize("length", [1, 7, 12, 0xFFFFFFFF])
def test_a_box_in_a_box_with_a_wrong_length_is_refused(length: int) -> None:
    holder = box(b"meta", struct.pack(">I4s", length, b"free"))
    boxes = Boxes(holder + bytes(100))
    outer = first(boxes.top(), b"meta")
    assert outer is not None
    with pytest.raises(CorruptImage, match="a box of"):
        list(boxes.within(outer))


def test_too_many_and_too_deep_boxes_are_refused() -> None:
    with pytest.raises(CorruptImage, match="more pieces"):
        list(Boxes(box(b"free") * (FEWEST_PIECES + 1000)).top())
    boxes = Boxes(box(b"free") * 1000)
    with pytest.raises(CorruptImage, match="more pieces"):  # however often they are walked over
        for _ in range(100):
            list(boxes.top())
    nested = b""
    for _ in range(MOST_DEPTH + 1):
        nested = box(b"meta", bytes(4) + nested)
    with pytest.raises(CorruptImage, match="deep"):
        check_head(nested, "heic")
