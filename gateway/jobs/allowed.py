"""Places that the operator lets jobs read pictures from, or write results to: parts of buckets, and hosts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.errors import PlaceNotAllowed
from gateway.jobs.destinations import PORTS, Destinations
from photorestore.errors import UnsupportedOption

BUCKETS = ("s3", "gs")
"""Schemes of places in buckets; what follows the bucket's name is the key, letter by letter."""
LONGEST_KEY_BYTES = 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Places:
    """What the operator has listed.

    Attributes:
        prefixes: as `s3://bucket/scans/`: everything below is allowed.
        hosts: hosts and networks.
        what: the option that names such a place.
    """

    prefixes: tuple[str, ...]
    hosts: Destinations
    what: str

    @classmethod
    def parse(cls, text: str, what: str) -> Places:
        """Read places separated by commas.

        Raises:
            ValueError: an entry is none.
        """
        parts = [part.strip() for part in text.split(",")]
        prefixes = tuple(f"{part.rstrip('/')}/" for part in parts if part.startswith(_STARTS))
        hosts = ",".join(part for part in parts if not part.startswith(_STARTS))
        return cls(prefixes, Destinations.parse(hosts, what), what)

    def check(self, url: str) -> None:
        """Refuse a place that is not allowed.

        Raises:
            UnsupportedOption: the URL is of no known kind.
            PlaceNotAllowed: it is not below what is listed.
        """
        if url.startswith(_STARTS):
            self._check_key(url)
            if not url.startswith(self.prefixes):
                raise PlaceNotAllowed(
                    f"{self.what} lies in a bucket, or a part of one, that is not allowed here"
                )
        elif url.startswith(tuple(f"{scheme}://" for scheme in PORTS)):
            host = self.hosts.host_of(url)
            if not self.hosts.lists(host):
                raise PlaceNotAllowed(f"{self.what} goes to {host}, which this service does not allow")
        else:
            raise UnsupportedOption(f"{self.what} is of no known kind; expected s3://, gs:// or https://")

    def _check_key(self, url: str) -> None:
        _, bucket, key = split(url)
        if not _BUCKET.fullmatch(bucket):
            raise UnsupportedOption(f"{self.what} has no bucket's name; expected one as in s3://bucket/key")
        if len(key.encode()) > LONGEST_KEY_BYTES or not key.isprintable():
            raise UnsupportedOption(f"{self.what} has a key that is too long, or no text on one line")
        if not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise UnsupportedOption(f"{self.what} has a key with an empty part, or one that is . or ..")


_STARTS = tuple(f"{scheme}://" for scheme in BUCKETS)


def split(url: str) -> tuple[str, str, str]:
    """Return scheme, bucket and key of a place in a bucket."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return scheme, bucket, key


def is_in_bucket(url: str) -> bool:
    """Return whether a place lies in a bucket."""
    return url.startswith(_STARTS)


def shown(url: str) -> str:
    """Return a place as it may be shown: without the query, in which a presigned URL has its signature."""
    return url if is_in_bucket(url) else url.partition("#")[0].partition("?")[0]
