"""Requests that come through proxies: the path below which they offer the service, and what they say of callers."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """What is known of the proxies before the service.

    Attributes:
        public_path: below which they offer the service, without a slash at the end; empty for the whole host.
        trusted: networks of those that are believed.
    """

    public_path: str = ""
    trusted: tuple[Network, ...] = ()

    def redirect(self, path: str) -> Response | None:
        """Return the answer to the public path without its last slash, below which pages name their files; or None."""
        if self.public_path and path == self.public_path:
            return RedirectResponse(f"{self.public_path}/", 308)
        return None

    def seen_from_outside(self, scope: Scope) -> Scope:
        """Return a request as its caller has sent it, with a path that routes know.

        A proxy may take the public path off or leave it. Headers of proxies that are not trusted count nothing.
        """
        found = dict(scope)
        if self.public_path and scope["path"].startswith(f"{self.public_path}/"):
            found["path"] = scope["path"].removeprefix(self.public_path)
            found["raw_path"] = scope.get("raw_path", b"").removeprefix(self.public_path.encode())
        peer, port = scope.get("client") or ("", 0)
        if not self.trusted or not self._is_trusted(peer):
            return found
        headers = Headers(scope=scope)
        found["client"] = (self._caller(headers.getlist("x-forwarded-for"), peer), port)
        if host := headers.get("x-forwarded-host", "").split(",")[-1].strip():
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            found["headers"] = [(b"host", host.encode("latin-1")), *others]
        return found

    def _caller(self, forwarded: Sequence[str], peer: str) -> str:
        """Return the last address that no trusted proxy has; those before it are only said by that caller."""
        for address in reversed([_without_port(text) for header in forwarded for text in header.split(",")]):
            if not _is_address(address):
                break
            peer = address
            if not self._is_trusted(address):
                break
        return peer

    def _is_trusted(self, address: str) -> bool:
        return _is_address(address) and any(ipaddress.ip_address(address) in each for each in self.trusted)


def _without_port(text: str) -> str:
    """Return an address without the port that some proxies write behind it."""
    address = text.strip()
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
