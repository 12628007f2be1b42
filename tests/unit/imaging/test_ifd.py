"""Directories of a TIFF or an EXIF block are read as they are written, and within bounds."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photorestore.imaging.metadata.ifd import (
    EXIF,
    GPS,
    INTEROP,
    MOST_TAGS,
    UNIT_BYTES,
    Directory,
    Entry,
    as_block,
    order_of,
    read_directory,
    written,
)

POINTERS = (EXIF, GPS, INTEROP)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(sorted(UNIT_BYTES)))
    count = draw(st.integers(1, 5))
    size = UNIT_BYTES[kind] * count
    return Entry(kind, draw(st.binary(min_size=size, max_size=size)))


tags = st.integers(1, 65_535).filter(lambda tag: tag not in POINTERS)
flat = st.dictionaries(tags, entries(), max_size=6).map(Directory)
trees = st.builds(
    Directory,
    st.dictionaries(tags, entries(), max_size=6),
    st.dictionaries(
        st.sampled_from([EXIF, GPS]),
        st.builds(
            Directory,
            st.dictionaries(tags, entries(), max_size=3),
            st.dictionaries(st.just(INTEROP), flat, max_size=1),
        ),
    ),
)
orders = st.sampled_from("<>")


def contents(directory: Directory) -> dict[int, object]:
    """Without the places where entries stood."""
    own: dict[int, object] = {tag: (entry.kind, entry.content) for tag, entry in directory.entries.items()}
    return own | {tag: contents(below) for tag, below in directory.below.items()}


@given(tree=trees, order=orders)
def test_what_is_written_is_read_again(tree: Directory, order: str) -> None:
    block = as_block(tree, order)
    assert order_of(block) == order
    directory, left_out = read_directory(block)
    assert left_out == []
    assert contents(directory) == contents(tree)
    assert not directory.is_followed


@given(tree=trees, order=orders)
def test_entries_lie_on_even_offsets_and_are_where_they_say(tree: Directory, order: str) -> None:
    block = as_block(tree, order)
    directory, _ = read_directory(block)
    for entry in directory.entries.values():
        assert entry.start % 2 == 0
        if entry.start:
            assert block[entry.start : entry.start + len(entry.content)] == entry.content


@given(tree=trees, order=orders)
def test_the_other_byte_order_says_the_same_and_twice_is_as_before(tree: Directory, order: str) -> None:
    assert contents(tree.swapped().swapped()) == contents(tree)
    other = as_block(tree.swapped(), "<>"[order == "<"])
    assert contents(read_directory(other)[0].swapped()) == contents(tree)


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (2, b"abc\0", b"abc\0"),
        (3, b"\1\2\3\4", b"\2\1\4\3"),
        (4, b"\1\2\3\4", b"\4\3\2\1"),
        (5, b"\1\2\3\4\5\6\7\x08", b"\4\3\2\1\x08\7\6\5"),
        (12, b"\1\2\3\4\5\6\7\x08", b"\x08\7\6\5\4\3\2\1"),
        (7, b"\1\2\3\4", b"\1\2\3\4"),
    ],
)
def test_numbers_are_swapped_each_by_itself_and_texts_are_not(
    kind: int, content: bytes, expected: bytes
) -> None:
    assert Entry(kind, content).swapped() == Entry(kind, expected)


@given(tree=trees, order=orders, note=st.binary(min_size=5, max_size=60), far=st.integers(0, 600))
def test_a_pinned_entry_stays_where_it_stood(tree: Directory, order: str, note: bytes, far: int) -> None:
    pinned = Entry(7, note, 8 + 2 * far)
    tree.below[EXIF] = Directory({0x927C: pinned})
    block = as_block(tree, order, pinned)
    directory, left_out = read_directory(block)
    assert left_out == []
    assert directory.below[EXIF].entries[0x927C] == pinned
    assert contents(directory) == contents(tree)


@given(tree=flat, order=orders, cut=st.integers(0, 120))
def test_a_block_that_breaks_off_gives_what_is_whole_and_names_the_rest(
    tree: Directory, order: str, cut: int
) -> None:
    block = as_block(tree, order)[: 8 + cut]
    try:
        directory, left_out = read_directory(block)
    except ValueError:
        assert len(block) < 10
        return
    for tag, entry in directory.entries.items():
        assert (entry.kind, entry.content) == contents(tree)[tag]
    assert not set(left_out) & directory.entries.keys()


@given(tree=trees, wanted=st.sets(tags, max_size=4))
def test_only_what_is_wanted_is_read(tree: Directory, wanted: set[int]) -> None:
    known = set(tree.entries)
    block = as_block(tree, "<")
    chosen = frozenset(wanted | set(sorted(known)[:2]))
    assert read_directory(block, only=chosen)[0].entries.keys() == known & chosen
    assert read_directory(block, without=chosen)[0].entries.keys() == known - chosen


def test_a_second_directory_is_noticed_and_read_by_its_place() -> None:
    first = Directory({256: Entry(3, b"\1\0")})
    second = Directory({257: Entry(3, b"\2\0")})
    head = b"II*\0" + struct.pack("<I", 8)
    own = written(first, "<", 8)
    after = 8 + len(own)
    block = head + own[:-4] + struct.pack("<I", after) + written(second, "<", after)
    assert read_directory(block)[0].is_followed
    assert read_directory(block, start=after)[0].entries.keys() == {257}
    assert not read_directory(block, start=after)[0].is_followed


def test_of_a_tag_that_is_there_twice_the_first_counts() -> None:
    table = (
        struct.pack("<H", 2) + struct.pack("<HHIHH", 256, 3, 1, 7, 0) + struct.pack("<HHIHH", 256, 3, 1, 8, 0)
    )
    directory, left_out = read_directory(b"II*\0\x08\0\0\0" + table + bytes(4))
    assert directory.entries[256].content == b"\7\0"
    assert left_out == []


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [(0, 1, 0), (99, 1, 0), (2, 0, 0), (2, 100, 1 << 20), (12, 1 << 31, 8), (4, 2, 0xFFFFFFFF)],
    ids=["no type", "unknown type", "nothing", "outside", "too much", "at the end of the world"],
)
def test_an_entry_that_cannot_be_read_is_named_and_the_rest_is_kept(
    kind: int, count: int, value: int
) -> None:
    table = struct.pack("<H", 2) + struct.pack("<HHII", 270, kind, count, value)
    table += struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    directory, left_out = read_directory(b"II*\0\x08\0\0\0" + table + bytes(4))
    assert left_out == [270]
    assert directory.entries[274].content == b"\6\0"


def test_directories_that_point_to_themselves_end() -> None:
    table = struct.pack("<H", 1) + struct.pack("<HHII", EXIF, 4, 1, 8)
    directory, _ = read_directory(b"II*\0\x08\0\0\0" + table + bytes(4))
    depth = 0
    while EXIF in directory.below:
        directory, depth = directory.below[EXIF], depth + 1
    assert depth == 2


@pytest.mark.parametrize("start", [None, 8])
def test_more_tags_than_any_camera_writes_are_an_error(start: int | None) -> None:
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", MOST_TAGS + 1) + bytes(12 * (MOST_TAGS + 1))
    with pytest.raises(ValueError, match=f"more than {MOST_TAGS} tags"):
        read_directory(block, start=start)


@pytest.mark.parametrize(
    "block", [b"", b"II", b"II*\0\x08\0\0", b"XX*\0\x08\0\0\0", b"Exif\0\0II*\0\x08\0\0\0"]
)
def test_what_does_not_begin_like_a_tiff_is_an_error(block: bytes) -> None:
    with pytest.raises(ValueError, match="neither TIFF nor EXIF"):
        read_directory(block)
