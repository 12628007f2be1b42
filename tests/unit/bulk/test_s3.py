"""Bulk work on a store that speaks S3: moto's server."""

import logging
import shutil
from collections.abc import Iterator

import pytest

from bench.stores import PASSWORD, S3, running_s3
from photorestore_bulk.command import count, left
from photorestore_bulk.ledger import Ledger
from photorestore_bulk.places import Place
from photorestore_bulk.plan import items_in
from photorestore_bulk.restorer import Order, Restorer
from tests.bulk import load_quickly


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The buckets `album` and `restored`."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("moto_server is not installed; .ci/tools does it")
    with running_s3(program, "album", "restored") as url:
        for name, value in {**S3, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.mark.usefixtures("store")
def test_a_bucket_is_restored_into_another_and_nothing_is_done_twice(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    source, output = Place.of("s3://album/2009/"), Place.of("s3://restored/2009/")
    for name in ("a.jpg", "b/c d.png", "b/é.bmp"):
        source.write(name, name.encode())
    source.write("b/bad.jpg", b"broken")
    items = list(items_in(source, output, {}))
    assert [item.key for item in items] == ["a.jpg", "b/bad.jpg", "b/c d.png", "b/é.bmp"]
    order = Order("s3://album/2009/", "s3://restored/2009/", load=load_quickly)
    (rows,) = Restorer(order).restore(items)
    assert [row["problem"] for row in rows] == ["", "not-an-image", "", ""]
    assert output.read("b/é.bmp.jpg") == "b/é.bmp".encode()[::-1]
    ledger = Ledger.of(output)
    ledger.merge()
    assert list(left(items_in(source, output, {}), ledger.done())) == []
    assert count(items_in(source, output, {}), ledger.done()).done == 4
    assert PASSWORD not in caplog.text + "".join(capfd.readouterr()) + str(ledger.rows().to_pylist())
