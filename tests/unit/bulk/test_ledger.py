from datetime import UTC, datetime
from pathlib import Path

import pytest

from photorestore_bulk.ledger import Ledger
from photorestore_bulk.places import LEDGER, Place


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.of(Place.of(str(tmp_path)))


def row(work: int, *, final: bool = True, problem: str = "", second: int = 0) -> dict[str, object]:
    at = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
    return {"key": f"{work}.jpg", "work": work, "final": final, "problem": problem, "at": at}


def test_an_empty_ledger_knows_nothing(ledger: Ledger) -> None:
    ledger.merge()
    assert ledger.done().tolist() == []
    assert ledger.rows().num_rows == 0


def test_final_rows_are_done_in_order(ledger: Ledger) -> None:
    ledger.add([row(2**64 - 1), row(5, final=False)])
    ledger.add([row(3)])
    assert ledger.done().tolist() == [3, 2**64 - 1]


def test_merging_leaves_one_file_and_all_rows(ledger: Ledger, tmp_path: Path) -> None:
    for work in range(5):
        ledger.add([row(work)])
    before = ledger.rows()
    ledger.merge()
    assert len(list((tmp_path / LEDGER).iterdir())) == 1
    assert ledger.rows().equals(before)
    assert ledger.done().tolist() == list(range(5))


def test_of_several_rows_of_one_work_the_latest_counts(ledger: Ledger) -> None:
    ledger.add([row(1, final=False, problem="cannot-read")])
    ledger.add([row(1, second=1), row(2)])
    ledger.merge()
    ledger.add([row(2)])  # as after a kill between writing and deleting
    assert ledger.rows().select(["key", "problem"]).to_pylist() == [
        {"key": "1.jpg", "problem": ""},
        {"key": "2.jpg", "problem": ""},
    ]
