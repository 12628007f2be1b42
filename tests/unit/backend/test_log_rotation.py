"""Logs do not grow without end, and whoever writes them need not know."""

import re
from pathlib import Path

from backend.log_rotation import KEPT, MOST_BYTES, bound
from backend.settings import HOME
from backend.supervisor import BOUND_LOGS


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


def test_logs_are_as_large_as_the_document_says() -> None:
    layout = (HOME / "backend/log4j2.xml").read_text()
    files = set(re.findall(r'fileName="\$\{folder\}/(\S+)"', layout))
    sizes = {int(size) for size in re.findall(r'SizeBasedTriggeringPolicy size="(\d+) MB"', layout)}
    kept = {int(most) for most in re.findall(r'DefaultRolloverStrategy max="(\d+)"', layout)}
    assert (sizes, kept, MOST_BYTES >> 20) == ({20}, {5}, 20)
    most = 20 * (len(BOUND_LOGS) * (1 + KEPT) + len(files))
    document = (HOME / "docs/operations.md").read_text()
    assert f"at most {most} MB, and ten compressed parts" in document
    assert 5 * len(files) == 10
