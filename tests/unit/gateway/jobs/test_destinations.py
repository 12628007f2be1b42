"""Where webhooks may go."""

import asyncio
import ipaddress
import socket
import threading
import time
from typing import Any

import httpx
import pytest

from gateway.jobs.destinations import Destinations, ForbiddenAddressError
from photorestore.errors import UnsupportedOption

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("text", "url", "found", "is_allowed"),
    [
        ("hooks.example.org", "https://hooks.example.org", ["93.184.215.14"], True),
        ("hooks.example.org", "http://hooks.example.org", ["93.184.215.14"], False),
        ("hooks.example.org", "https://hooks.example.org", ["10.0.0.1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["93.184.215.14", "127.0.0.1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["::ffff:169.254.169.254"], False),
        ("hooks.example.org", "https://hooks.example.org", ["fe80::1%eth0"], False),
        ("hooks.example.org", "https://hooks.example.org", ["224.0.0.1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["::10.0.0.1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["::ffff:10.0.0.1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["::ffff:0:10.0.0.1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["64:ff9b::10.0.0.1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["64:ff9b::169.254.169.254"], False),
        ("hooks.example.org", "https://hooks.example.org", ["64:ff9b::93.184.215.14"], True),
        ("hooks.example.org", "https://hooks.example.org", ["64:ff9b:1::93.184.215.14"], False),
        ("hooks.example.org", "https://hooks.example.org", ["64:ff9b:1:a00:0:100::"], False),
        ("hooks.example.org", "https://hooks.example.org", ["2002:a00:1::1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["2002:5db8:d70e::1"], True),
        ("hooks.example.org", "https://hooks.example.org", ["2001:0:a00:1::1"], False),
        ("hooks.example.org", "https://hooks.example.org", ["2606:2800:21f:cb07::1"], True),
        ("hooks.example.org, 10.0.0.0/8", "http://hooks.example.org", ["10.0.0.1"], True),
        ("hooks.example.org, fd00::/8", "http://hooks.example.org", ["fd00::1"], True),
    ],
)
async def test_addresses_are_looked_at_when_they_are_used(
    monkeypatch: pytest.MonkeyPatch, text: str, url: str, found: list[str], is_allowed: bool
) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[tuple[None, None, None, str, tuple[str, int]]]:
        return [(None, None, None, "", (address, 443)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    destinations = Destinations.parse(text, "webhook")
    destinations.check(url)
    if is_allowed:
        assert await destinations.address_of(httpx.URL(url)) == str(ipaddress.ip_address(found[0]))
    else:
        with pytest.raises(ForbiddenAddressError, match=r"hooks\.example\.org"):
            await destinations.address_of(httpx.URL(url))


async def test_name_server_that_hangs_holds_no_thread_that_serves_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_answer = threading.Event()

    def getaddrinfo(*_: object, **__: Any) -> None:
        may_answer.wait(20)
        raise OSError("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    destinations = Destinations.parse("hooks.example.org", "webhook")
    url = httpx.URL("https://hooks.example.org")
    looking = [asyncio.create_task(destinations.address_of(url)) for _ in range(64)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            await asyncio.to_thread(time.time)
    finally:
        may_answer.set()
        await asyncio.gather(*looking, return_exceptions=True)


def test_names_may_stand_for_all_below_them() -> None:
    destinations = Destinations.parse("*.example.org,10.0.0.0/8", "webhook")
    destinations.check("https://a.b.EXAMPLE.org/x")
    destinations.check("http://10.1.2.3:8443/x")
    for url in ("https://example.org", "https://badexample.org"):
        with pytest.raises(UnsupportedOption, match="does not allow"):
            destinations.check(url)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "https://example.org", "exa mple.org", "*"])
def test_what_is_neither_host_nor_network_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        Destinations.parse(text, "webhook")
