import hashlib
import json
from itertools import chain
from pathlib import Path

import pytest

from photorestore_bulk import restorer
from photorestore_bulk.ledger import Ledger
from photorestore_bulk.places import Place
from photorestore_bulk.plan import items_in
from photorestore_bulk.restorer import Order, Restorer, Row
from tests.bulk import load_quickly


@pytest.fixture
def output(tmp_path: Path) -> Place:
    return Place.of(str(tmp_path / "restored"))


def restore(photos: Path, output: Place) -> list[Row]:
    items = list(items_in(Place.of(str(photos)), output, {}))
    for item in items:
        if item.key.startswith("gone"):
            (photos / item.key).unlink()
    return list(chain(*Restorer(Order(str(photos), output.base, load=load_quickly)).restore(items)))


def test_each_picture_is_restored_and_noted(photos: Path, output: Place) -> None:
    for number in range(7):
        (photos / f"{number}.jpg").write_bytes(b"picture %d" % number)
    rows = restore(photos, output)
    assert [row["key"] for row in rows] == [f"{number}.jpg" for number in range(7)]
    assert output.read("3.jpg") == b"picture 3"[::-1]
    noted = Ledger.of(output).rows().to_pylist()
    assert [row["key"] for row in noted] == [row["key"] for row in rows]
    assert noted[3]["source_sha256"] == hashlib.sha256(b"picture 3").hexdigest()
    assert noted[3]["result_sha256"] == hashlib.sha256(b"picture 3"[::-1]).hexdigest()
    assert (noted[3]["width"], noted[3]["height"], noted[3]["problem"]) == (4, 3, "")
    assert json.loads(noted[3]["report"]) == {
        "kind": "photo",
        "mode": "gentle",
        "ran": ["denoise"],
        "dropped": [],
    }


@pytest.mark.parametrize(
    ("name", "content", "problem", "is_final"),
    [
        ("a.jpg", b"broken", "not-an-image", True),
        ("a.jpg", b"full", "out-of-space", False),
        ("gone.jpg", b"picture", "cannot-read", False),
        ("twin.bmp.jpg", b"picture", "invalid-input", True),
    ],
)
def test_a_bad_picture_is_a_row_and_only_some_are_tried_again(
    photos: Path, output: Place, name: str, content: bytes, problem: str, is_final: bool
) -> None:
    (photos / name).write_bytes(content)
    (photos / "twin.bmp").write_bytes(b"picture")
    rows = {row["key"]: row for row in restore(photos, output)}
    assert rows["twin.bmp"]["problem"] == ""
    assert (rows[name]["problem"], rows[name]["final"]) == (problem, is_final)
    assert len(Ledger.of(output).done()) == 1 + is_final


def test_rows_of_slow_pictures_do_not_wait_for_each_other(
    photos: Path, output: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restorer, "NOTED_EVERY_S", 0)
    for number in range(3):
        (photos / f"{number}.jpg").write_bytes(b"picture")
    items = list(items_in(Place.of(str(photos)), output, {}))
    rows = Restorer(Order(str(photos), output.base, load=load_quickly)).restore(items)
    next(rows)
    assert len(Ledger.of(output).done()) == 1


def test_what_cannot_be_written_is_told(photos: Path, output: Place) -> None:
    (photos / "a.jpg").write_bytes(b"picture")
    (photos.parent / "restored").write_bytes(b"a file where the folder should be")
    (row,) = restore(photos, output)
    assert row["problem"] == "cannot-write"
