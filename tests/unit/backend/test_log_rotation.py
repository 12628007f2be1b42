"""Logs do not grow without end, and whoever writes them need not know."""

from pathlib import Path

from backend.log_rotation import KEPT, bound


def test_a_log_is_left_alone_until_it_is_long(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    bound(log, most_bytes=10)  # there is none yet
    log.write_text("short")
    bound(log, most_bytes=10)
    assert [file.name for file in tmp_path.iterdir()] == ["gateway.log"]


def test_a_long_log_is_set_aside_while_somebody_appends_to_it(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(5):
            writer.write(b"line %d\n" % number)
            bound(log, most_bytes=7)
        writer.write(b"last\n")
    assert log.read_bytes() == b"last\n"
    older = [log.with_name(f"gateway.log.{age}").read_bytes() for age in range(1, KEPT + 1)]
    assert older == [b"line 4\n", b"line 3\n"]
    assert len(list(tmp_path.iterdir())) == 1 + KEPT
