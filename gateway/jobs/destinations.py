"""Where webhooks may go: to hosts and networks that the operator has listed, by their addresses of this moment."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass

import httpx

from photorestore.errors import UnsupportedOption

LONGEST_URL = 2048
PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ForbiddenAddressError(Exception):
    """A host's address is none that webhooks may go to."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """What is listed.

    Attributes:
        names: of hosts; `*.example.org` stands for all below it.
        networks: whose addresses may be private, and may be spoken to without TLS.
    """

    names: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, text: str) -> Destinations:
        """Names and networks, separated by commas.

        Raises:
            ValueError: an entry is neither.
        """
        names, networks = set[str](), list[Network]()
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                if not _NAME.match(entry):
                    raise ValueError(f"webhook hosts: {entry!r} is neither a host nor a network") from None
                names.add(entry)
        return cls(frozenset(names), tuple(networks))

    def check(self, url: str) -> None:
        """Refuse what is certain not to be delivered.

        Raises:
            UnsupportedOption: not a URL of HTTP, or its host is not listed.
        """
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise UnsupportedOption(f"webhook is no URL: {error}") from None
        if parsed.scheme not in PORTS or not parsed.host or parsed.userinfo or len(url) > LONGEST_URL:
            raise UnsupportedOption(
                f"webhook is {url[:LONGEST_URL]!r}; expected a URL of https without user and password"
            )
        if not self._is_listed(parsed.raw_host.decode()):
            raise UnsupportedOption(f"webhook goes to {parsed.host}, which this service does not allow")

    async def address_of(self, url: httpx.URL) -> str:
        """The address to connect to.

        Raises:
            ForbiddenAddressError: one of the host's addresses is not allowed, or not without TLS.
            OSError: the host is not known.
        """
        loop = asyncio.get_running_loop()
        port = url.port or PORTS[url.scheme]
        found = await loop.getaddrinfo(url.raw_host.decode(), port, type=socket.SOCK_STREAM)
        addresses = [_address(str(entry[4][0])) for entry in found]
        for address in addresses:
            if not self._allows(address, url.scheme):
                raise ForbiddenAddressError(f"{url.host} is not allowed for {url.scheme} at its address")
        return str(addresses[0])

    def _is_listed(self, host: str) -> bool:
        try:
            return self._in_network(_address(host))
        except ValueError:
            above = [f"*{host[dot:]}" for dot in range(len(host)) if host[dot] == "."]
            return not self.names.isdisjoint({host, *above})

    def _allows(self, address: Address, scheme: str) -> bool:
        is_public = address.is_global and not address.is_multicast
        return self._in_network(address) or (scheme == "https" and is_public)

    def _in_network(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def _address(text: str) -> Address:
    """An address; one of IPv4 in the dress of IPv6 is undressed.

    Raises:
        ValueError: it is none.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
