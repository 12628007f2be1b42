"""Lines of logs: JSON, one record each, whatever callers put into them."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from photorestore.envelope import Envelope
from photorestore.logs import JsonFormatter, about, format_ours_as_json
from photorestore.options import Options

FORGED = '{"time":"2026-01-01T00:00:00.000Z","level":"info","message":"all is well"}'


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(lambda: {"worker": 7}))
    logger = logging.getLogger("x")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def test_a_line_has_time_level_logger_message_and_what_it_is_about(stream: io.StringIO) -> None:
    logging.getLogger("x").warning("of %s", "a", extra=about(request_id="album-7", key="", pixels=0))
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "x",
        "message": "of a",
        "worker": 7,
        "request_id": "album-7",
        "pixels": 0,
    }


def test_nothing_that_is_logged_begins_a_line_of_its_own(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"broken\n{FORGED}\x1b[2J\u2028")
    except ValueError:
        logging.getLogger("x").exception("of %s", f"a\n{FORGED}", extra=about(client=f"\r{FORGED}"))
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text[:-1].isascii()
    assert text[:-1].isprintable()
    assert "ValueError: broken\n{" in json.loads(text)["exception"]


def test_what_is_no_json_is_logged_all_the_same(stream: io.StringIO) -> None:
    logging.getLogger("x").warning("odd", extra=about(found={1, 2}))
    assert json.loads(stream.getvalue())["found"] == "{1, 2}"


def test_a_worker_writes_what_it_logs_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """TorchServe has set its log up before: the messages alone, to standard output."""
    printed, root = io.StringIO(), logging.getLogger()
    monkeypatch.setattr(sys, "stdout", printed)
    handler, other = logging.StreamHandler(printed), logging.StreamHandler(io.StringIO())
    for added in (handler, other):
        added.setFormatter(logging.Formatter("%(message)s"))
        root.addHandler(added)
    try:
        format_ours_as_json()
        envelope = Envelope("w", "album-7", 0.0, Options(), traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        logging.getLogger("photorestore.stages").warning("hot", extra=about(**envelope.labels))
        logging.getLogger("ts.metrics").warning("[METRICS]PredictionTime.Milliseconds:1")
    finally:
        root.removeHandler(handler)
        root.removeHandler(other)
    ours, theirs = printed.getvalue().splitlines()
    assert theirs == "[METRICS]PredictionTime.Milliseconds:1"  # TorchServe reads it
    line = json.loads(ours)
    assert (line["message"], line["request_id"], line["trace_id"]) == ("hot", "album-7", "a" * 32)
    assert other.stream.getvalue().startswith("hot\n")
