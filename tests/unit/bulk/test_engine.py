"""Bulk work on a real Ray, started once: it takes seconds."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import tests.bulk
from deploy.ports import free_ports
from photorestore.pipeline import Pipeline
from photorestore_bulk.ledger import Ledger
from photorestore_bulk.places import Place
from photorestore_bulk.plan import Item, items_in
from photorestore_bulk.restorer import Order, empty_row

pytestmark = pytest.mark.filterwarnings(
    "default"
)  # Ray's own, and sockets that it leaves to the end of the process


def _fail(*_: str, weights: Path | None = None) -> Pipeline:
    raise ValueError("weights are missing")


def test_all_good_pictures_are_restored_though_some_are_broken_and_one_kills_its_process(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = pytest.importorskip("photorestore_bulk.engine", reason="Ray comes with the extra `bulk`")
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(tests.bulk)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    for number in range(40):
        content = {7: b"broken", 11: b"kills", 30: b"broken"}.get(number, b"picture")
        (photos / f"{number:02}.jpg").write_bytes(content + b" %d" % number)
    output = Place.of(str(photos.parent / "restored"))
    order = Order(str(photos), output.base, load=tests.bulk.load_quickly)
    crew = engine.Crew(actors=2, at_once=4)
    with engine.cluster(None, crew):
        rows = list(engine.run(items_in(Place.of(str(photos)), output, {}), order, crew))
        order = Order(str(photos), f"{output.base}-2", load=_fail)
        with pytest.raises(OSError, match="weights are missing"):
            list(engine.run(items_in(Place.of(str(photos)), output, {}), order, crew))
    problems = {row["key"]: row["problem"] for row in rows if row["problem"]}
    assert problems == {"07.jpg": "not-an-image", "11.jpg": "internal", "30.jpg": "not-an-image"}
    assert len(rows) == len({row["key"] for row in rows}) == 40
    ledger = Ledger.of(output)
    assert ledger.rows().num_rows == 40
    assert len(ledger.done()) == 39  # the one that kills is tried again
    assert output.read("05.jpg") == b"picture 5"[::-1]
    assert len(list(output.files())) == 37


def test_a_cluster_that_cannot_be_entered_is_named_at_once() -> None:
    engine = pytest.importorskip("photorestore_bulk.engine", reason="Ray comes with the extra `bulk`")
    address = f"127.0.0.1:{free_ports(1)}"
    with pytest.raises(OSError, match=rf"{address}: .*refused; .*RAY_AUTH_MODE=token"):
        engine.default_actors(address, 1, 0)


def test_the_driver_is_told_how_long_ago_a_picture_was_begun() -> None:
    engine = pytest.importorskip("photorestore_bulk.engine", reason="Ray comes with the extra `bulk`")
    row = empty_row(Item("a.jpg", "a.jpg", "{}", 10, 1))
    row |= {"at": datetime.now(UTC) - timedelta(seconds=90), "width": 4, "height": 3}
    told = engine.told(row)
    assert told["pixels"] == 12
    assert 90 <= told["ago_s"] < 900
