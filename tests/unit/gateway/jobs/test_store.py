"""Records of jobs: who may change what, and what is left after a restart."""

import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import IdempotencyKeyReused, TooManyRequests
from gateway.jobs.bounds import Bounds
from gateway.jobs.records import Outcome, Record, Webhook, Work
from gateway.jobs.rows import INSERT, to_row
from gateway.jobs.sqlite import VERSIONS, SqliteDatabase
from gateway.jobs.store import Store
from gateway.restore.parts import Received

WIDE = Bounds(100, 1 << 30)
ROOM = (math.inf, math.inf)
"""For pixels: now, and at most."""


def make_record(name: str = "a", **changes: Any) -> Record:
    work = Work(f"folder-{name}", 10, Received("00", None), 100, {}, "image", "r1")
    values = {
        "id": name,
        "owner": "",
        "idempotency_key": None,
        "fingerprint": "f",
        "work": work,
        "created": 1.0,
    }
    return Record(**values | changes)


@pytest.fixture(params=["sqlite", "postgres"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same records, which are empty at first; those of SQLite once at a time."""
    if request.param == "sqlite":
        return lambda: Store(SqliteDatabase(tmp_path / "jobs.sqlite"))
    url = request.getfixturevalue("database")
    from gateway.jobs.postgres import PostgresDatabase

    return lambda: Store(PostgresDatabase(url))


@pytest.fixture
def store(opening: Callable[[], Store]) -> Iterator[Store]:
    with contextlib.closing(opening()) as opened:
        yield opened


def begin(store: Store, name: str = "a") -> Record:
    begun = store.begin(name, 2.0)
    assert begun is not None
    return begun


def test_records_are_read_back_as_written_after_a_restart(opening: Callable[[], Store]) -> None:
    record = make_record(idempotency_key="k", webhook=Webhook("https://example.org"))
    first = opening()
    first.add(record, WIDE, 1.0)
    first.close()
    second = opening()
    assert second.find("a", "") == record
    second.close()


def test_job_is_begun_once_however_many_try(store: Store) -> None:
    store.add(make_record(), WIDE, 1.0)
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda _: store.begin("a", 2.0), range(8)))
    assert sum(record is not None for record in begun) == 1


def test_only_the_latest_try_may_end_a_job(store: Store) -> None:
    store.add(make_record(), WIDE, 1.0)
    first = begin(store)
    store.put_back(first, 0.0, is_try=True)
    second = begin(store)
    outcome = Outcome("key", "image/png", 5, {"deliver": "ran"})
    assert not store.succeed(first, outcome, 3.0, 9.0)
    assert not store.put_back(first, 0.0, is_try=True)
    assert store.succeed(second, outcome, 3.0, 9.0)
    assert not store.fail(second, {}, 3.0, 9.0)
    assert not store.cancel("a", 3.0, 9.0)
    found = store.find("a", "")
    assert found is not None
    assert (found.state, found.tries, found.outcome, found.has_result) == ("succeeded", 2, outcome, True)


def test_end_that_is_entered_again_is_the_same_end(store: Store) -> None:
    store.add(make_record(), WIDE, 1.0)
    begun, outcome = begin(store), Outcome("key", "image/png", 5, {"deliver": "ran"}, "a.1")
    assert store.succeed(begun, outcome, 3.0, 9.0)
    assert store.succeed(begun, outcome, 3.0, 9.0)
    assert not store.succeed(begun, replace(outcome, file="a.2"), 3.0, 9.0)
    assert store.hold(begun, 4.0, {})  # its edge may be about to delete the upload


def test_a_cancelled_job_is_nobodys(store: Store) -> None:
    store.add(make_record(), WIDE, 1.0)
    begun = begin(store)
    store.cancel("a", 3.0, 9.0)
    assert not store.hold(begun, 4.0, {})


def test_what_was_taken_over_is_no_longer_held(store: Store) -> None:
    store.add(make_record(), WIDE, 1.0)
    begun = begin(store)
    assert begun.holder == store.holder
    assert store.hold(begun, 3.0, {"denoise": "running"})
    (running,) = store.running()
    assert (running.held, running.progress) == (3.0, {"denoise": "running"})
    store.put_back(running, 0.0, is_try=False)
    again = replace(begin(store), holder="another")  # of the same number, since the first was no try
    assert again.tries == begun.tries
    for held in (store.hold(again, 4.0, {}), store.fail(again, {}, 4.0, 9.0)):
        assert not held
    assert store.hold(begin_again(store), 5.0, {})


def begin_again(store: Store) -> Record:
    (running,) = store.running()
    assert running.progress == {}
    return running


def test_webhook_is_sent_by_who_claims_it_first(store: Store) -> None:
    store.add(make_record(webhook=Webhook("https://example.org")), WIDE, 1.0)
    store.cancel("a", 2.0, 9.0)
    (due,) = store.webhooks_due(5.0, 8)
    assert [store.claim_webhook(due, 35.0) for _ in range(2)] == [True, False]
    assert store.webhooks_due(6.0, 8) == []
    assert len(store.webhooks_due(36.0, 8)) == 1


def test_cancelled_job_stays_cancelled(store: Store) -> None:
    store.add(make_record(), WIDE, 1.0)
    begun = begin(store)
    assert store.cancel("a", 3.0, 9.0)
    assert not store.succeed(begun, Outcome("key", "image/png", 5, {}), 3.0, 9.0)
    assert store.begin("a", 4.0) is None
    found = store.find("a", "")
    assert found is not None
    assert found.state == "cancelled"


def test_queue_goes_by_age_and_leaves_out_what_is_not_due(store: Store) -> None:
    for name, created in (("late", 3.0), ("early", 1.0), ("middle", 2.0)):
        store.add(make_record(name, created=created), WIDE, 1.0)
    store.put_back(begin(store, "early"), 50.0, is_try=True)
    assert next_id(store, 10.0, *ROOM) == "middle"
    assert next_id(store, 60.0, *ROOM) == "early"


def next_id(store: Store, now: float, *room: float) -> str | None:
    record = store.next_queued(now, *room)
    return record.id if record else None


def drain(store: Store) -> list[str]:
    """Begin all jobs, one after the other; gives their names."""
    names = []
    while (record := store.next_queued(10.0, *ROOM)) is not None:
        names.append(begin(store, record.id).id)
    return names


def test_owners_take_turns_however_many_jobs_one_has(store: Store) -> None:
    for number in range(20):
        store.add(make_record(f"a{number}", owner="a", created=number), WIDE, 1.0)
    begin(store, "a0")
    for name in ("b0", "b1", "c0"):
        store.add(make_record(name, owner=name[0], created=5000.0 + int(name[1])), WIDE, 1.0)
    assert drain(store)[:6] == ["b0", "c0", "a1", "b1", "a2", "a3"]


def test_turns_are_kept_after_a_restart_and_when_jobs_are_forgotten(
    opening: Callable[[], Store],
) -> None:
    first = opening()
    for name in ("a0", "a1", "b0"):
        first.add(make_record(name, owner=name[0]), WIDE, 1.0)
    begin(first, "a0")
    first.forget("a0")
    first.close()
    second = opening()
    assert drain(second) == ["b0", "a1"]
    second.close()


def test_owner_whose_jobs_are_not_due_lets_others_go_first(store: Store) -> None:
    for name in ("a0", "b0", "b1"):
        store.add(make_record(name, owner=name[0]), WIDE, 1.0)
    store.put_back(begin(store, "a0"), 50.0, is_try=True)
    assert drain(store) == ["b0", "b1"]


def test_one_owner_leaves_room_in_the_queue_for_others(store: Store) -> None:
    bounds = Bounds(4, 1 << 30)

    def add(name: str, bounds: Bounds = bounds) -> None:
        store.add(make_record(name, owner=name[0]), bounds, 7.0)

    for name, refused in (("a0", ""), ("a1", "a2"), ("b0", "b1")):
        add(name)
        if refused:
            with pytest.raises(TooManyRequests, match="of this API key wait") as caught:
                add(refused)
            assert caught.value.retry_after_s == 7.0
    with pytest.raises(TooManyRequests, match="of this API key wait"):
        add("a2", Bounds(100, 59))  # bytes: 30 wait, 20 of them a's; 19 would be left
    add("a2", Bounds(100, 60))
    store.check_room("c", None, Bounds(5, 1 << 30), 1.0)
    add("c0", Bounds(5, 1 << 30))
    with pytest.raises(TooManyRequests, match="the limit is 5"):
        add("d0", Bounds(5, 1 << 30))


def test_callers_without_keys_are_one_and_may_fill_the_queue(store: Store) -> None:
    for name in ("a", "b", "c"):
        store.add(make_record(name), Bounds(3, 30), 1.0)
    assert store.counts().states["queued"] == 3


def test_file_of_an_earlier_version_is_brought_up(tmp_path: Path) -> None:
    earlier = sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)
    earlier.executescript(f"{VERSIONS[0]} PRAGMA user_version = 1;")
    insert = INSERT.replace(", pixels", "").replace(", :pixels", "")
    for name in ("a0", "a1", "b0"):
        earlier.execute(insert, to_row(make_record(name, owner=name[0])))
    earlier.close()
    store = Store(SqliteDatabase(tmp_path / "jobs.sqlite"))
    assert drain(store) == ["a0", "b0", "a1"]
    store.close()


def test_idempotency_keys_belong_to_their_owner(store: Store) -> None:
    store.add(make_record(idempotency_key="k"), WIDE, 1.0)
    known, is_new = store.add(make_record("b", idempotency_key="k"), WIDE, 1.0)
    assert (known.id, is_new) == ("a", False)
    with pytest.raises(IdempotencyKeyReused):
        store.add(make_record("b", idempotency_key="k", fingerprint="other"), WIDE, 1.0)
    assert store.add(make_record("c", idempotency_key="k", owner="other"), WIDE, 1.0)[1]
    assert store.find("c", "") is None


def test_pages_hold_an_owners_jobs_the_latest_first(store: Store) -> None:
    for number in range(4):
        store.add(make_record(f"a{number}", owner="a", created=number // 2), WIDE, 1.0)
    store.add(make_record("b", owner="b"), WIDE, 1.0)
    begin(store, "a1")

    def ids(*asked: Any) -> list[str]:
        return [record.id for record in store.page("a", *asked)]

    assert ids(None, None, 3) == ["a3", "a2", "a1"]
    assert ids(None, (1.0, "a2"), 3) == ["a1", "a0"]
    assert ids("queued", None, 9) == ["a3", "a2", "a0"]
    assert ids("running", None, 9) == ["a1"]


def test_queue_is_bounded(store: Store) -> None:
    store.add(make_record(), Bounds(1, 10), 1.0)
    for bounds in (Bounds(1, 1000), Bounds(5, 19)):
        with pytest.raises(TooManyRequests) as caught:
            store.add(make_record("b"), bounds, 7.0)
        assert (caught.value.reason, caught.value.retry_after_s) == ("jobs", 7.0)
    begin(store)  # what runs does not wait
    store.check_room("", None, Bounds(1, 10), 1.0)
    assert store.counts().states["running"] == 1


def test_expired_jobs_wait_for_their_webhook(store: Store) -> None:
    store.add(make_record(webhook=Webhook("https://example.org")), WIDE, 1.0)
    store.fail(begin(store), {"stage": "denoise"}, 3.0, 9.0)
    assert store.expired(100.0, 1000.0) == []
    (due,) = store.webhooks_due(5.0, 8)
    assert due.webhook is not None
    store.note_webhook("a", Webhook(due.webhook.url, "failed", 6))
    assert store.webhooks_due(5.0, 8) == []
    assert [record.id for record in store.expired(100.0, 1000.0)] == ["a"]
    assert store.expired(8.0, 1000.0) == []


def test_webhook_keeps_its_job_for_some_time_only(store: Store) -> None:
    store.add(make_record(webhook=Webhook("https://example.org")), WIDE, 1.0)
    store.fail(begin(store), {"stage": "denoise"}, 3.0, 9.0)
    assert store.expired(100.0, 95.0) == []
    assert [record.id for record in store.expired(100.0, 90.0)] == ["a"]


def test_of_each_owner_some_webhooks_are_due(store: Store) -> None:
    for number in range(6):
        webhook = Webhook("https://example.org")
        store.add(
            make_record(f"{'ab'[number > 3]}{number}", owner="ab"[number > 3], webhook=webhook), WIDE, 1.0
        )
        store.cancel(f"{'ab'[number > 3]}{number}", 2.0, 9.0)
    assert [record.id for record in store.webhooks_due(5.0, 3)] == ["a0", "a1", "a2", "b4", "b5"]


def test_what_there_is_no_room_for_is_passed_over(store: Store) -> None:
    for name, pixels in (("large", 500), ("small", 100), ("never", 2000)):
        work = Work(f"folder-{name}", 10, Received("00", None), pixels, {}, "image", "r1")
        store.add(make_record(name, work=work, created=float(pixels)), WIDE, 1.0)
    assert next_id(store, 10.0, 600.0, 1000.0) == "small"
    begin(store, "small")
    assert next_id(store, 10.0, 400.0, 1000.0) == "never"
    begin(store, "never")
    assert store.next_queued(10.0, 400.0, 1000.0) is None
    assert next_id(store, 10.0, 600.0, 1000.0) == "large"


def test_what_takes_minutes_is_passed_over_on_demand(store: Store) -> None:
    for name, options in (("long", {"denoise_method": "dip"}), ("short", {"denoise_method": "csf"})):
        work = Work(f"folder-{name}", 10, Received("00", None), 100, dict(options), "image", "dip")
        store.add(make_record(name, work=work, created=len(name)), WIDE, 1.0)
    assert next_id(store, 10.0, *ROOM) == "long"
    found = store.next_queued(10.0, *ROOM, long=False)
    assert found is not None
    assert found.id == "short"
    begin(store, "short")
    assert store.next_queued(10.0, *ROOM, long=False) is None


def test_store_is_opened_without_a_file_that_a_full_disk_has_no_room_for(
    tmp_path: Path,
) -> None:
    with contextlib.closing(Store(SqliteDatabase(tmp_path / "jobs.sqlite"))) as store:
        store.add(make_record(), WIDE, 1.0)
        assert not (tmp_path / "jobs.sqlite-shm").exists()


def test_webhooks_wait_for_the_end(store: Store) -> None:
    store.add(make_record(webhook=Webhook("https://example.org")), WIDE, 1.0)
    assert store.webhooks_due(5.0, 8) == []


def test_a_file_of_another_version_or_kind_stops_the_start(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "later") as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(ValueError, match="version 99"):
        SqliteDatabase(tmp_path / "later")
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(OSError, match="not a database"):
        SqliteDatabase(tmp_path / "text")
