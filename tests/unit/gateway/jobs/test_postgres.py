"""PostgreSQL for records: what it says when it is away, and what it never says."""

import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.stores import PASSWORD
from gateway.errors import JobsUnavailable, TooManyRequests
from gateway.jobs.bounds import Bounds
from gateway.jobs.store import Store
from tests.edge import free_port
from tests.unit.gateway.jobs.test_store import ROOM, WIDE, make_record

psycopg = pytest.importorskip("psycopg", reason="comes with the extra `jobs`")
postgres_module = pytest.importorskip("gateway.jobs.postgres")


def open_store(url: str) -> contextlib.closing[Store]:
    return contextlib.closing(Store(postgres_module.PostgresDatabase(url)))


def test_many_edges_begin_each_job_once_and_keep_the_bounds(database: str) -> None:
    with contextlib.ExitStack() as opened:
        stores = [opened.enter_context(open_store(database)) for _ in range(4)]

        def add(number: int) -> bool:
            try:
                return stores[number % 4].add(make_record(f"a{number}"), Bounds(20, 1 << 30), 1.0)[1]
            except TooManyRequests:
                return False

        def take(store: Store) -> list[str]:
            found = []
            while (record := store.next_queued(10.0, *ROOM)) is not None:
                if (begun := store.begin(record.id, 2.0)) is not None:
                    found.append(begun.id)
            return found

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(add, range(40))) == 20
            taken = [name for names in pool.map(take, stores) for name in names]
        assert len(taken) == len(set(taken)) == 20


def test_one_of_many_with_the_same_key_is_added(database: str) -> None:
    with contextlib.ExitStack() as opened:
        stores = [opened.enter_context(open_store(database)) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            added = list(
                pool.map(
                    lambda number: stores[number].add(
                        make_record(f"a{number}", idempotency_key="k"), WIDE, 1.0
                    ),
                    range(4),
                )
            )
        assert sum(is_new for _, is_new in added) == 1
        assert len({record.id for record, _ in added}) == 1


def test_connections_that_were_cut_are_made_anew(database: str) -> None:
    with open_store(database) as store:
        store.add(make_record(), WIDE, 1.0)
        with psycopg.connect(database, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'photorestore'"
            )
        assert store.find("a", "") is not None


def test_server_that_is_away_holds_nobody_up_for_long(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with open_store(f"postgresql://edge:{PASSWORD}@127.0.0.1:{free_port()}/jobs") as store:
        for _ in range(50):
            with pytest.raises(JobsUnavailable, match="cannot be reached"):
                store.counts()
    assert "connection refused" in caplog.text.lower()
    assert PASSWORD not in caplog.text


def test_password_is_in_no_log_and_no_error(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        open_store(postgres.replace(PASSWORD, "wrong-and-secret")) as store,
        pytest.raises(JobsUnavailable) as caught,
    ):
        store.counts()
    assert "password authentication failed" in caplog.text
    with pytest.raises(ValueError, match="cannot be read") as unread:
        postgres_module.PostgresDatabase("postgresql://edge:wrong-and-secret@host:port:1/jobs?x")
    assert "wrong-and-secret" not in caplog.text + str(caught.value) + repr(unread.value)


def test_database_of_a_later_version_is_left_alone(database: str, caplog: pytest.LogCaptureFixture) -> None:
    with open_store(database) as store:
        store.add(make_record(), WIDE, 1.0)
    with psycopg.connect(database) as other:
        other.execute("INSERT INTO jobs_schema VALUES (99)")
    with open_store(database) as store, pytest.raises(JobsUnavailable):
        store.counts()
    assert "of version 99" in caplog.text


def test_record_that_cannot_be_read_is_set_aside(database: str) -> None:
    with open_store(database) as store:
        for name in ("a", "b"):
            store.add(make_record(name), WIDE, 1.0)
        with psycopg.connect(database) as other:
            other.execute("UPDATE jobs SET work = '{' WHERE id = 'a'")
        assert store.find("a", "") is None
        found = store.next_queued(10.0, *ROOM)
        assert found is not None
        assert found.id == "b"
