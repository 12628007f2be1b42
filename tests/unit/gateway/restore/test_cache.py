"""The result cache."""

import os
from dataclasses import replace
from pathlib import Path

from gateway.restore.cache import ResultCache
from gateway.restore.content import PIECE_BYTES, piece
from gateway.restore.results import Result
from tests.handed_on import REPORT


def test_cache_forgets_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, 3500)
    for number, key in enumerate("abc"):
        cache.put(key, Result(bytes(1000), "image/png", replace(REPORT, request_id=key), b"mask"))
        os.utime(tmp_path / f"{key}.result", (number, number))
        if key == "b":
            assert cache.get("a") is not None  # used again
    assert cache.get("b") is None
    kept = cache.get("a")
    assert kept is not None
    assert (len(kept.picture), kept.mask, kept.report) == (1000, b"mask", replace(REPORT, request_id="a"))


def test_a_long_result_stays_in_its_file(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, 1 << 30)
    picture, mask = os.urandom(3 * PIECE_BYTES + 5), os.urandom(PIECE_BYTES + 1)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    cache.put("a", Result(picture, "image/png", REPORT, mask))
    kept = cache.get("a")
    assert kept is not None
    assert not isinstance(kept.picture, bytes)
    cache.put("b", kept)
    (tmp_path / "a.result").unlink()  # whoever reads it may go on
    again = cache.get("b")
    assert again is not None
    for result in (kept, again):
        for content, expected in ((result.picture, picture), (result.mask, mask)):
            assert content is not None
            starts = range(0, len(content), PIECE_BYTES)
            assert b"".join(piece(content, start) for start in starts) == expected
    del kept, again, result, content
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


def test_cache_keeps_both_masks_or_one_or_none(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, 10_000)
    for masks in ((b"mask", b"confidence"), (None, b"confidence"), (b"mask", None), (None, None), (b"", b"")):
        cache.put("a", Result(b"picture", "image/png", REPORT, *masks))
        kept = cache.get("a")
        assert kept is not None
        assert (kept.picture, kept.mask, kept.confidence) == (b"picture", *masks)


def test_cache_takes_no_broken_file(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, 10_000)
    cache.put("a", Result(b"picture", "image/png", REPORT))
    whole = (tmp_path / "a.result").read_bytes()
    for broken in (whole[:-1], b"", b"{}\n", b"[]\n", b"\xff"):
        (tmp_path / "a.result").write_bytes(broken)
        assert cache.get("a") is None
        assert not (tmp_path / "a.result").exists()
