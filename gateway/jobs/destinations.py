"""Hosts that jobs may reach: those that the operator has listed, whose addresses are checked at each use."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from photorestore.errors import UnsupportedOption

LONGEST_URL = 2048
EXPECTED = f"expected a URL of https without user and password, of up to {LONGEST_URL} characters"
PORTS = {"http": 80, "https": 443}
HIGHEST_PORT = 65535
LONGEST_NAME, LONGEST_LABEL = 253, 63
_NAME = re.compile(r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$")
_LOOKUPS = ThreadPoolExecutor(32, "host-lookup")
"""Threads of their own: a name server that does not answer must not block those that serve requests."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_EMBEDDING = (
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
"""IPv6 networks whose addresses contain an IPv4 address, and how many bits follow it."""
_NEVER_PUBLIC = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 of a local network: RFC 8215
    ipaddress.IPv6Network("2001::/32"),  # Teredo: server and client are anybody's
)


class ForbiddenAddressError(Exception):
    """Nothing may go to a host's address."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """The hosts and networks that the operator has listed.

    Attributes:
        names: host names; `*.example.org` stands for all below it.
        networks: networks whose addresses are allowed even if they are private, and without TLS.
        what: has such a host in its URL, for messages.
    """

    names: frozenset[str]
    networks: tuple[Network, ...]
    what: str

    @classmethod
    def parse(cls, text: str, what: str) -> Destinations:
        """Read names and networks separated by commas.

        Raises:
            ValueError: an entry is neither a name nor a network.
        """
        names, networks = set[str](), list[Network]()
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                if not _NAME.match(entry):
                    raise ValueError(
                        f"hosts of a {what}: {entry!r} is neither a host nor a network"
                    ) from None
                names.add(entry)
        return cls(frozenset(names), tuple(networks), what)

    def check(self, url: str) -> None:
        """Refuse a URL to which nothing could ever be delivered.

        Raises:
            UnsupportedOption: it is not an HTTP URL, or its host is not listed.
        """
        host = self.host_of(url)
        if not self.lists(host):
            raise UnsupportedOption(f"{self.what} goes to {host}, which this service does not allow")

    def host_of(self, url: str) -> str:
        """Return the host of a URL.

        Raises:
            UnsupportedOption: it is not an HTTP URL.
        """
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            raise UnsupportedOption(f"{self.what} is no URL; {EXPECTED}") from None
        host = parsed.raw_host.decode()
        if parsed.scheme not in PORTS or not host or parsed.userinfo or len(url) > LONGEST_URL:
            raise UnsupportedOption(f"{self.what} is not shown, for it may hold a secret; {EXPECTED}")
        if parsed.port is not None and not 0 < parsed.port <= HIGHEST_PORT:
            raise UnsupportedOption(f"{self.what} has the port {parsed.port}; expected 1 to {HIGHEST_PORT}")
        if len(host) > LONGEST_NAME or max(map(len, host.split("."))) > LONGEST_LABEL:
            raise UnsupportedOption(f"{self.what} has a host whose name is too long to be one")
        return host

    async def address_of(self, url: httpx.URL) -> str:
        """Return the address to connect to.

        Raises:
            ForbiddenAddressError: one of the host's addresses is not allowed, or only with TLS.
            OSError: the host name cannot be resolved.
        """
        loop = asyncio.get_running_loop()
        port = url.port or PORTS[url.scheme]
        host = url.raw_host.decode()
        look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await loop.run_in_executor(_LOOKUPS, look_up)
        addresses = [_address(str(entry[4][0])) for entry in found]
        for address in addresses:
            if not self._allows(address, url.scheme):
                raise ForbiddenAddressError(f"{host} is not allowed for {url.scheme} at its address")
        return str(addresses[0])

    def lists(self, host: str) -> bool:
        """Return whether a host is listed."""
        try:
            return self._in_network(_address(host))
        except ValueError:
            above = [f"*{host[dot:]}" for dot in range(len(host)) if host[dot] == "."]
            return not self.names.isdisjoint({host, *above})

    def _allows(self, address: Address, scheme: str) -> bool:
        return self._in_network(address) or (scheme == "https" and _is_public(address))

    def _in_network(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def _address(text: str) -> Address:
    """Return an address; an IPv4-mapped IPv6 address becomes the IPv4 one.

    Raises:
        ValueError: the text is not an address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_public(address: Address) -> bool:
    """Return whether an address is public, and so is the IPv4 address that it may contain."""
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _NEVER_PUBLIC):
            return False
        for network, shift in _EMBEDDING:
            if address in network and not _is_public(
                ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
            ):
                return False
    return address.is_global and not address.is_multicast
