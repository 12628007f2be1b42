"""What the client tries again, for how long, and what it raises in the end."""

import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from photorestore_client import (
    BadOption,
    BadPicture,
    Busy,
    Client,
    Conflict,
    Denied,
    Failed,
    NotFound,
    Problem,
    RestoreError,
    Retry,
    TimedOut,
    Timeouts,
    TooLate,
    Unreachable,
)
from photorestore_client.retry import parse_retry_after

from tests.edge_double import (
    JPEG,
    QUICK,
    Edge,
    Handler,
    Misbehaviour,
    break_off,
    drop,
    refuse,
    say,
    stall,
    trickle,
)


@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (400, "unsupported-option", BadOption),
        (401, "unauthorized", Denied),
        (403, "forbidden", Denied),
        (404, "no-such-job", NotFound),
        (406, "not-acceptable", BadOption),
        (409, "key-taken", Conflict),
        (410, "expired", NotFound),
        (413, "payload-too-large", BadPicture),
        (415, "not-an-image", BadPicture),
        (422, "truncated-image", BadPicture),
        (504, "deadline-exceeded", TooLate),
        (500, "internal", Failed),
        (418, "teapot", Failed),
        (422, "deadline-exceeded", TooLate),  # the type says more than the status
    ],
)
def test_problem_documents_are_exceptions_and_not_tried_again(
    edge: Edge, client: Client, status: int, name: str, expected: type[Problem]
) -> None:
    edge.misbehave.append(refuse(status, name))
    with pytest.raises(expected) as caught:
        client.restore(b"old", request_id="mine")
    error = caught.value
    assert type(error) is expected
    assert (error.type, error.status, error.detail) == (name, status, f"why {name}")
    assert (error.stage, error.request_id) == ("preprocess", "mine")
    assert len(edge.seen) == 1


@pytest.mark.parametrize(
    ("answer", "expected", "requests"),
    [
        (say(200, b"<html>", "text/html"), Unreachable, 1),
        (say(500, b"oops", "text/plain"), Unreachable, 1),
        (say(413, b"<html>", "text/html"), BadPicture, 1),
        (say(302, b"", "text/html", Location="/login"), Unreachable, 1),
        (say(502, b"Bad Edge", "text/plain"), Unreachable, 4),
    ],
)
def test_answers_of_others_than_the_service(
    edge: Edge, client: Client, answer: Misbehaviour, expected: type[RestoreError], requests: int
) -> None:
    edge.misbehave += [answer] * requests
    with pytest.raises(expected) as caught:
        client.restore(b"old", request_id="mine")
    assert caught.value.request_id == "mine"
    assert len(edge.seen) == requests


@pytest.mark.parametrize("trouble", [drop, break_off, refuse(503, "out-of-space"), refuse(429, "busy")])
def test_what_passes_is_tried_again(
    edge: Edge, client: Client, trouble: Misbehaviour, tmp_path: Path
) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old")
    edge.misbehave += [trouble] * 3
    assert client.restore(tmp_path / "old.jpg").content.startswith(JPEG)
    assert [seen.body for seen in edge.seen] == [b"old"] * 4


@pytest.mark.parametrize(("trouble", "expected"), [(drop, Unreachable), (refuse(503, "x"), Busy)])
def test_number_of_tries_is_limited(
    edge: Edge, client: Client, trouble: Misbehaviour, expected: type[RestoreError]
) -> None:
    edge.misbehave += [trouble] * 9
    with pytest.raises(expected) as caught:
        client.restore(b"old")
    assert len(edge.seen) == QUICK.tries
    assert caught.value.request_id == edge.seen[0].headers["X-Request-Id"]


def test_a_service_that_has_answered_is_waited_for_while_it_starts_again() -> None:
    with Edge() as first, Client(first.url, retry=Retry(tries=2, first_s=0.05, longest_s=0.05)) as client:
        client.restore(b"old")
        first.__exit__()
        first.misbehave.append(drop)  # the connection that is open still
        second = Edge(port=first.server.server_address[1])
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.restore, b"new")
            time.sleep(0.5)
            with second:
                assert answer.result().content.startswith(JPEG)
    assert [seen.body for seen in second.seen] == [b"new"]


def test_a_service_that_stays_away_is_given_up_after_its_time() -> None:
    quick = Retry(tries=2, first_s=0.01, longest_s=0.01, restart_s=0.2)
    with Edge() as edge, Client(edge.url, retry=quick) as client:
        client.restore(b"old")
        edge.__exit__()
        edge.misbehave.append(drop)
        start = time.monotonic()
        with pytest.raises(Unreachable, match="refused"):
            client.restore(b"new")
        assert time.monotonic() - start > quick.restart_s
        patient = replace(quick, restart_s=60.0)
        with Client(edge.url, retry=patient) as stranger, pytest.raises(Unreachable):
            start = time.monotonic()
            stranger.restore(b"new")
        assert time.monotonic() - start < patient.restart_s


@pytest.mark.parametrize("busy", [refuse(429, "busy"), refuse(503, "backend-unavailable", Retry_After="0")])
def test_busy_is_tried_for_as_long_as_the_total_time_allows(edge: Edge, busy: Misbehaviour) -> None:
    edge.misbehave += [busy] * 12
    with Client(edge.url, retry=QUICK) as client:
        client.restore(b"old")
    assert len(edge.seen) == 13


def test_waits_for_a_busy_service_use_up_no_tries(edge: Edge) -> None:
    edge.misbehave += [refuse(429, "busy")] * QUICK.tries + [drop]
    with Client(edge.url, retry=QUICK) as client:
        assert client.restore(b"old").content.startswith(JPEG)


def test_waits_for_a_service_that_starts_again_use_up_no_tries() -> None:
    with Edge() as first, Client(first.url, retry=Retry(tries=3, first_s=0.05, longest_s=0.05)) as client:
        client.restore(b"old")
        first.__exit__()
        first.misbehave.append(drop)  # the connection that is open still
        second = Edge(port=first.server.server_address[1])
        second.misbehave.append(drop)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.restore, b"new")
            time.sleep(0.5)
            with second:
                assert answer.result().content.startswith(JPEG)


def test_retry_after_in_seconds_is_honoured(edge: Edge, client: Client) -> None:
    edge.misbehave.append(refuse(429, "busy", Retry_After="1"))
    started = time.monotonic()
    client.restore(b"old")
    assert time.monotonic() - started >= 1


def test_no_wait_that_outlasts_the_total_time(edge: Edge) -> None:
    edge.misbehave.append(refuse(429, "busy", Retry_After="3600"))
    started = time.monotonic()
    with Client(edge.url, timeouts=Timeouts(total_s=60)) as client, pytest.raises(Busy):
        client.restore(b"old")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("soon", None),
        ("-3", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, expected: float | None) -> None:
    assert parse_retry_after(text, now=datetime(2026, 11, 22, 12, tzinfo=UTC)) == expected


def test_waits_grow_up_to_their_ceiling_with_full_jitter() -> None:
    retry, rng = Retry(first_s=1, longest_s=8), random.Random(0)
    for tries, ceiling_s in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (5000, 8)]:
        waits = [retry.wait_s(tries, rng) for _ in range(2000)]
        assert min(waits) < 0.01 * ceiling_s
        assert 0.99 * ceiling_s < max(waits) <= ceiling_s
    assert 30 <= retry.wait_s(1, rng, retry_after_s=30) <= 31


def test_slow_answer_is_not_asked_for_again(edge: Edge) -> None:
    edge.misbehave.append(stall(1.0))
    client = Client(edge.url, timeouts=Timeouts(read_s=0.2), retry=QUICK)
    with client, pytest.raises(TimedOut) as caught:
        client.restore(b"old", request_id="slow")
    assert caught.value.request_id == "slow"
    assert len(edge.seen) == 1


def test_the_option_timeout_raises_the_read_timeout(edge: Edge) -> None:
    edge.delay_s = 0.5
    with Client(edge.url, timeouts=Timeouts(read_s=0.1)) as client:
        assert client.restore(b"old", timeout=5).content.startswith(JPEG)


def test_a_trickle_does_not_outlast_the_total_time(edge: Edge) -> None:
    edge.misbehave.append(trickle)
    started = time.monotonic()
    with Client(edge.url, timeouts=Timeouts(total_s=0.5), retry=QUICK) as client, pytest.raises(TimedOut):
        client.restore(b"old")
    assert time.monotonic() - started < 5


def test_nobody_listens() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{reserved.getsockname()[1]}", retry=QUICK)
        with client, pytest.raises(Unreachable) as caught:
            client.restore(b"old", request_id="mine")
    assert caught.value.request_id == "mine"


@pytest.mark.parametrize("url", ["ftp://host", "localhost:8000", ""])
def test_base_url_is_checked(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        Client(url)


def test_missing_file_is_not_a_fault_of_the_service(client: Client, edge: Edge, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client.restore(tmp_path / "none.jpg")
    with pytest.raises(IsADirectoryError):
        client.restore(tmp_path)
    assert edge.seen == []


@pytest.mark.parametrize("size", [1, 200_000])
def test_file_that_changes_between_two_tries_is_an_os_error(
    edge: Edge, client: Client, tmp_path: Path, size: int
) -> None:
    def change_and_refuse(handler: Handler) -> None:
        path.write_bytes(b"x" * size)
        handler.problem(503, "out-of-space")

    path = tmp_path / "old.jpg"
    path.write_bytes(b"old" * 50_000)
    edge.misbehave.append(change_and_refuse)
    with pytest.raises(OSError, match="changed while it was sent"):
        client.restore(path)
    assert client.restore(path).content.startswith(JPEG)


def test_one_connection_serves_many_calls(edge: Edge, client: Client) -> None:
    for _ in range(5):
        client.restore(b"old")
    assert edge.connections == 1


def test_many_threads_share_a_client_and_all_are_served_by_a_small_service(edge: Edge) -> None:
    edge.capacity, edge.delay_s = 8, 0.02
    pictures = [f"picture {number}".encode() for number in range(64)]
    with Client(edge.url, retry=QUICK) as client, ThreadPoolExecutor(64) as pool:
        restored = list(pool.map(client.restore, pictures))
    assert len({picture.content for picture in restored}) == 64
    assert sorted(edge.completed.values()) == [1] * 64
    assert len(edge.seen) > 64  # some had to come again


def test_closing_wakes_the_calls_that_wait(edge: Edge) -> None:
    edge.misbehave.append(refuse(429, "busy", Retry_After="60"))
    client = Client(edge.url)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.restore, b"old")
        while not edge.seen:
            time.sleep(0.01)
        client.close()
        with pytest.raises(Busy):
            waiting.result(timeout=10)
