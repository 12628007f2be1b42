"""Contents of results: short ones are bytes, long ones parts of open files."""

import os
from pathlib import Path

import pytest

from gateway.restore.content import PIECE_BYTES, Content, File, Stored, content_of, fetch, piece

pytestmark = pytest.mark.anyio


@pytest.fixture
def stored(tmp_path: Path) -> tuple[File, bytes]:
    """An open file, whose name is gone, and what it holds."""
    path, held = tmp_path / "result", os.urandom(2 * PIECE_BYTES + 100)
    path.write_bytes(held)
    with path.open("rb") as opened:
        file = File(opened)
    path.unlink()
    return file, held


async def whole(of: Content) -> bytes:
    pieces = [await fetch(of, start) for start in range(0, len(of), PIECE_BYTES)]
    assert pieces == [piece(of, start) for start in range(0, len(of), PIECE_BYTES)]
    assert all(len(one) == PIECE_BYTES for one in pieces[:-1])
    return b"".join(pieces)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 0), (0, 1), (7, PIECE_BYTES), (7, PIECE_BYTES + 1), (100, 2 * PIECE_BYTES), (2 * PIECE_BYTES, 100)],
)
async def test_a_part_of_a_file_reads_as_its_bytes(
    stored: tuple[File, bytes], start: int, length: int, in_memory: bool
) -> None:
    file, held = stored
    part = content_of(file, start, length, in_memory=in_memory)
    assert len(part) == length
    assert isinstance(part, Stored) == (length > PIECE_BYTES)
    assert await whole(part) == held[start : start + length]


async def test_bytes_are_cut_into_the_same_pieces() -> None:
    held = os.urandom(3 * PIECE_BYTES)
    assert await whole(held) == held
    assert await fetch(held, len(held)) == b""


def test_a_part_beyond_the_end_is_an_error_of_the_file(stored: tuple[File, bytes]) -> None:
    file, held = stored
    with pytest.raises(OSError, match="shorter"):
        content_of(file, 0, len(held) + 1, in_memory=True).piece(2 * PIECE_BYTES)  # type: ignore[union-attr]
    with pytest.raises(OSError, match="shorter"):
        content_of(file, len(held) - 5, 6, in_memory=True)


def test_a_file_is_closed_when_nobody_refers_to_it(stored: tuple[File, bytes]) -> None:
    file, _ = stored
    descriptor = file._descriptor
    part = content_of(file, 0, PIECE_BYTES + 1, in_memory=True)
    del file, stored
    os.fstat(descriptor)
    assert len(piece(part, 0)) == PIECE_BYTES


async def test_files_on_a_disk_are_read_in_a_thread(
    stored: tuple[File, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    async def to_thread(call: object, *arguments: object) -> bytes:
        threads.append("used")
        return b""

    monkeypatch.setattr("asyncio.to_thread", to_thread)
    for in_memory, count in ((True, 0), (False, 1)):
        await fetch(content_of(stored[0], 0, PIECE_BYTES + 1, in_memory=in_memory), 0)
        assert len(threads) == count
