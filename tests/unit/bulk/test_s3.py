"""Bulk work on a store that speaks S3: moto's server."""

import logging
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
import requests

from deploy.ports import free_ports
from photorestore_bulk.command import count, left
from photorestore_bulk.ledger import Ledger
from photorestore_bulk.places import Place
from photorestore_bulk.plan import items_in
from photorestore_bulk.restorer import Order, Restorer
from tests.bulk import load_quickly

SECRET = "known-to-nobody"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("moto_server is not installed; .ci/tools does it")
    port = str(free_ports(1))
    with subprocess.Popen([program, "-H", "127.0.0.1", "-p", port], stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"
        while server.poll() is None:
            try:
                requests.get(url, timeout=10)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url
        server.terminate()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for bucket in ("album", "restored"):
        assert requests.put(f"{endpoint}/{bucket}", timeout=30).ok
    return endpoint


def test_a_bucket_is_restored_into_another_and_nothing_is_done_twice(
    store: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    source, output = Place.of("s3://album/2009/"), Place.of("s3://restored/2009/")
    for name in ("a.jpg", "b/c d.png", "b/é.bmp"):
        source.write(name, name.encode())
    source.write("b/bad.jpg", b"broken")
    items = list(items_in(source, output, {}))
    assert [item.key for item in items] == ["a.jpg", "b/bad.jpg", "b/c d.png", "b/é.bmp"]
    order = Order("s3://album/2009/", "s3://restored/2009/", load=load_quickly)
    rows = list(Restorer(order).restore(items))
    assert [row["problem"] for row in rows] == ["", "not-an-image", "", ""]
    assert output.read("b/é.bmp.jpg") == "b/é.bmp".encode()[::-1]
    ledger = Ledger.of(output)
    ledger.merge()
    assert list(left(items_in(source, output, {}), ledger.done())) == []
    assert count(items_in(source, output, {}), ledger.done()).done == 4
    assert SECRET not in caplog.text + "".join(capfd.readouterr()) + str(ledger.rows().to_pylist())
