import io
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import photorestore_client
import pytest
from photorestore_client import (
    BadOption,
    BadPicture,
    Busy,
    Client,
    Conflict,
    Denied,
    Failed,
    Job,
    JobCancelled,
    NotFound,
    Problem,
    RestoreError,
    Retry,
    TimedOut,
    Timeouts,
    TooLate,
    Unchanged,
    Unreachable,
)
from photorestore_client.raw import RawClient
from photorestore_client.retry import parse_retry_after

from tests.edge_double import JPEG, Edge, Handler, Misbehaviour, break_off, drop, refuse, say, stall, trickle

QUICK = Retry(tries=4, first_s=0.01, longest_s=0.02)


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge() as running:
        yield running


@pytest.fixture
def client(edge: Edge) -> Iterator[Client]:
    with Client(edge.url, api_key="secret", retry=QUICK) as connected:
        yield connected


def test_picture_and_options_are_sent_and_the_result_is_typed(
    edge: Edge, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old" * 100_000)
    restored = client.restore(
        tmp_path / "old.jpg",
        accept="image/webp",
        request_id="r1",
        mode="gentle",
        stages=["denoise", "translate"],
        strength={"translate": 0.5, "denoise": 1},
        normalise=True,
        format="webp",
        timeout=30,
    )
    seen = edge.seen[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/restore", b"old" * 100_000)
    assert seen.query == {
        "mode": "gentle",
        "stages": "denoise,translate",
        "strength": "denoise:1,translate:0.5",
        "normalise": "true",
        "format": "webp",
        "timeout": "30",
    }
    assert seen.headers["Authorization"] == "Bearer secret"
    assert seen.headers["X-Request-Id"] == restored.request_id == "r1"
    assert (seen.headers["Accept"], seen.headers["Content-Length"]) == ("image/webp", "300000")
    assert (restored.content[: len(JPEG)], restored.content_type) == (JPEG, "image/jpeg")
    assert dict(restored.stages_ms) == {"denoise": 12.5, "deliver": 3.0}


def test_mask_goes_as_a_part_of_a_form_streamed_from_files(
    edge: Edge, client: Client, tmp_path: Path
) -> None:
    picture, mask = bytes(range(256)) * 1000, b"\x89PNG\r\n\x1a\n--mask"
    (tmp_path / "old.png").write_bytes(picture)
    client.restore(tmp_path / "old.png", mask=mask)
    assert edge.seen[0].parts() == {"image": picture, "mask": mask}
    assert "Transfer-Encoding" not in edge.seen[0].headers


def test_empty_picture_is_sent_as_such(edge: Edge, client: Client) -> None:
    client.restore(b"")
    assert (edge.seen[0].headers["Content-Length"], edge.seen[0].body) == ("0", b"")


def test_each_call_has_a_request_id_of_its_own_that_its_tries_share(edge: Edge, client: Client) -> None:
    edge.misbehave += [refuse(503, "out-of-space"), drop]
    client.restore(b"one")
    client.restore(b"two")
    labels = [seen.headers["X-Request-Id"] for seen in edge.seen]
    assert len(set(labels[:3])) == 1
    assert len(set(labels)) == 2


def test_etag_of_a_result_is_not_computed_again(edge: Edge, client: Client) -> None:
    etag = client.restore(b"old").etag
    with pytest.raises(Unchanged):
        client.restore(b"old", if_none_match=etag)
    assert sum(edge.completed.values()) == 1


def test_bundle_has_picture_mask_and_report(edge: Edge, client: Client) -> None:
    edge.answer = lambda _: JPEG + bytes(range(256)) + b"\r\n\r\n"
    bundle = client.bundle(b"old", strength=0.5)
    assert edge.seen[0].query == {"return": "bundle", "strength": "0.5"}
    assert bundle.restored.content == JPEG + bytes(range(256)) + b"\r\n\r\n"
    assert (bundle.restored.content_type, bundle.restored.stages_ms["deliver"]) == ("image/jpeg", 3.0)
    assert (bundle.mask, bundle.report) == (b"\r\n--not the end\r\n\r\n", {"tier": "fast"})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (JPEG, "image/jpeg"),
        (b"--b\r\n\r\nx\r\n--b--", "multipart/mixed; boundary=b"),
        (b"", "multipart/mixed"),
    ],
)
def test_answers_that_are_no_bundle(edge: Edge, client: Client, body: bytes, content_type: str) -> None:
    edge.misbehave.append(say(200, body, content_type))
    with pytest.raises(Unreachable, match="without a bundle"):
        client.bundle(b"old")


def test_label_with_a_line_break_is_refused_here(edge: Edge, client: Client) -> None:
    with pytest.raises(ValueError, match="header"):
        client.restore(b"old", request_id="one\r\nX-Other: two")
    assert edge.seen == []


def test_analysis_and_stages(edge: Edge, client: Client) -> None:
    analysis = client.analyze(b"old", timeout=9)
    assert (analysis.source, analysis.found) == ({"format": "png"}, {"scratch": {"share": 0.5}})
    assert edge.seen[0].query == {"timeout": "9"}
    service = client.stages()
    assert [(stage.name, stage.details["version"]) for stage in service.stages] == [("denoise", "2")]
    assert service.details == {"version": "1"}


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
        with Client(edge.url, retry=quick) as stranger, pytest.raises(Unreachable):
            start = time.monotonic()
            stranger.restore(b"new")
        assert time.monotonic() - start < quick.restart_s


@pytest.mark.parametrize("busy", [refuse(429, "busy"), refuse(503, "backend-unavailable", Retry_After="0")])
def test_busy_is_tried_for_as_long_as_the_total_time_allows(edge: Edge, busy: Misbehaviour) -> None:
    edge.misbehave += [busy] * 12
    with Client(edge.url, retry=QUICK) as client:
        client.restore(b"old")
    assert len(edge.seen) == 13


def test_retry_after_in_seconds_is_honoured(edge: Edge, client: Client) -> None:
    edge.misbehave.append(refuse(429, "busy", Retry_After="1"))
    started = time.monotonic()
    client.restore(b"old")
    assert time.monotonic() - started >= 1


def test_no_wait_that_outlasts_the_total_time(edge: Edge) -> None:
    edge.misbehave.append(refuse(429, "busy", Retry_After="3600"))
    started = time.monotonic()
    with Client(edge.url, timeouts=Timeouts(total_s=5)) as client, pytest.raises(Busy):
        client.restore(b"old")
    assert time.monotonic() - started < 2


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


def test_netrc_and_cookies_stay_out(edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    edge.misbehave.append(say(200, JPEG, "image/jpeg", **{"Set-Cookie": "session=1"}))
    with Client(edge.url) as client:
        client.restore(b"old")
        client.restore(b"old")
    assert "Authorization" not in edge.seen[0].headers
    assert "Cookie" not in edge.seen[1].headers


def test_job_is_submitted_waited_for_and_fetched(edge: Edge, client: Client, tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old")
    job = client.submit(tmp_path / "old.jpg", scale=2)
    changes: list[Job] = []
    restored = client.wait(job, on_change=changes.append)
    assert (job.state, edge.seen[0].path, edge.seen[0].query) == ("queued", "/v1/jobs", {"scale": "2"})
    assert [change.state for change in changes] == ["queued", "running", "succeeded"]
    assert changes[-1].progress == {"denoise": "ran"}
    assert restored.content == client.result(job.id).content
    assert edge.seen[-1].path == f"/v1/jobs/{job.id}/result"


def test_submitting_again_with_the_same_key_gives_the_same_job(edge: Edge, client: Client) -> None:
    first, second = (client.submit(b"old", idempotency_key="album-7") for _ in range(2))
    assert first.id == second.id
    assert client.submit(b"old").id != first.id


def test_a_webhook_is_asked_for_in_the_query(edge: Edge, client: Client) -> None:
    client.submit(b"old", webhook="https://album.example/told?a=b")
    assert edge.seen[0].query == {"webhook": "https://album.example/told?a=b"}


def test_a_lost_answer_makes_no_second_job(edge: Edge, client: Client) -> None:
    def answer_nothing(handler: Handler) -> None:
        handler.wfile = io.BytesIO()
        handler.job("")
        handler.close_connection = True

    edge.misbehave.append(answer_nothing)
    client.submit(b"old")
    assert len(edge.seen) == 2
    assert len(edge.jobs) == 1


def test_cancelled_job(edge: Edge, client: Client) -> None:
    job = client.submit(b"old")
    client.cancel(job)
    assert edge.seen[-1].method == "DELETE"
    with pytest.raises(JobCancelled):
        client.wait(job)


def test_failed_job_raises_its_problem(edge: Edge, client: Client) -> None:
    job = client.submit(b"old")
    document = {"type": "urn:photorestore:problem:truncated-image", "status": 422, "detail": "breaks off"}
    edge.jobs[job.id] |= {"end": "failed", "problem": document}
    with pytest.raises(BadPicture, match="breaks off") as caught:
        client.wait(job)
    assert caught.value.request_id


def test_waiting_for_a_job_ends_in_time_and_the_job_goes_on(edge: Edge, client: Client) -> None:
    job = client.submit(b"old")
    edge.jobs[job.id]["end"] = "running"
    with pytest.raises(TimedOut, match=job.id):
        client.wait(job, timeout_s=0.3)
    edge.jobs[job.id]["end"] = "succeeded"
    assert client.wait(job).content.startswith(JPEG)


def test_ids_of_jobs_are_quoted(edge: Edge, client: Client) -> None:
    with pytest.raises(NotFound):
        client.job("../stages?x")
    assert edge.seen[0].path == "/v1/jobs/..%2Fstages%3Fx"


def test_the_package_draws_its_errors(client: Client) -> None:
    drawn = photorestore_client.__doc__
    pending = [RestoreError]
    while pending:
        error = pending.pop()
        if not error.__name__.startswith("_"):
            assert error.__name__ in drawn
            assert error.__name__ in photorestore_client.__all__
        pending += error.__subclasses__()


def test_saving_replaces_a_file_as_a_whole(client: Client, tmp_path: Path) -> None:
    (tmp_path / "new.jpg").write_bytes(b"before")
    client.restore(b"old").save(tmp_path / "new.jpg")
    assert (tmp_path / "new.jpg").read_bytes().startswith(JPEG)
    assert [file.name for file in tmp_path.iterdir()] == ["new.jpg"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"RIFF....WEBP", "image/webp"),
        (b"II*\0", "image/tiff"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x1cftypheic", "image/heic"),
        (b"\0\0\0\x1cftypmif1", "image/heif"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    ],
)
def test_raw_door_finds_the_media_type_in_the_body(edge: Edge, content: bytes, expected: str) -> None:
    edge.misbehave.append(say(200, content, "application/json"))
    with RawClient(edge.url) as raw:
        restored = raw.restore(b"old", stages=["denoise"])
    assert (restored.content, restored.content_type) == (content, expected)
    assert edge.seen[0].path == "/wfpredict/restore"
    assert json.loads(edge.seen[0].headers["X-Restore-Options"]) == {"stages": ["denoise"]}


def test_raw_door_finds_problems_in_the_body(edge: Edge) -> None:
    document = {"type": "urn:photorestore:problem:not-an-image", "status": 415, "detail": "text"}
    edge.misbehave += [
        say(200, json.dumps(document).encode(), "application/json"),
        say(200, b'{"code": 500, "type": "InternalServerException"}', "application/json"),
        say(200, b"{", "application/json"),
        say(500, b'{"code": 500, "type": "InternalServerException"}', "application/json"),
    ]
    with RawClient(edge.url) as raw:
        with pytest.raises(BadPicture) as caught:
            raw.restore(b"old", request_id="mine")
        for _ in range(3):
            with pytest.raises(Unreachable):
                raw.restore(b"old")
    assert isinstance(caught.value, Problem)
    assert (caught.value.status, caught.value.request_id) == (415, "mine")


def test_no_threads_are_left(edge: Edge) -> None:
    before = threading.active_count()
    with Client(edge.url) as client:
        client.restore(b"old")
    assert threading.active_count() <= before + 1  # the server's own
