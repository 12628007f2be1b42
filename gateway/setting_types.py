"""Types of the edge's settings, for pydantic.

The text in each type says what is expected, for error messages; each setting adds a second text with its meaning.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from photorestore import kinds

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?|https?://\[[0-9a-f:]+\](:[0-9]+)?")
"""An origin as browsers write it: lower case, no path, no slash at the end."""
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_PREFIX = re.compile(r"(s3|gs)://[a-z0-9][a-z0-9._-]*(/[^/@?#\s,]+)*/?")
_OWN_PATHS = ("v1", "docs", "page")


def _given(value: object) -> object:
    """Refuse an empty text, which `Path` would take for the current folder."""
    if value == "":
        raise ValueError
    return value


def _readable(file: Path | None) -> Path | None:
    if file is not None and not (file.is_file() and os.access(file, os.R_OK)):
        raise ValueError
    return file


def _folder(folder: Path | None) -> Path | None:
    """Refuse a path at which, or above which, there is something else."""
    if (
        folder is not None
        and not next(path for path in (folder, *folder.absolute().parents) if path.exists()).is_dir()
    ):
        raise ValueError
    return folder


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError
    return folder


def _host(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not _NAME.fullmatch(text) or text.rpartition(".")[2].isdigit():
            raise
    return text


def _url(text: str) -> str:
    parsed = urlsplit(text)
    _host(parsed.hostname or "")
    if parsed.scheme != "http" or parsed.port == 0 or re.search(r"[@?#\s]", text):
        raise ValueError
    return text


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text) or urlsplit(text).port == 0:
        raise ValueError
    return text


def _destinations(text: str) -> str:
    for part in _parts(text):
        try:
            ipaddress.ip_network(part)
        except ValueError:
            _host(part.removeprefix("*."))
    return text


def _places(text: str) -> str:
    for part in _parts(text):
        if not _PREFIX.fullmatch(part):
            _destinations(part)
    return text


def _public_path(text: str) -> str:
    """Refuse paths of the service itself, too: they could not be told from the same below them."""
    if text.strip("/") and (not _PATH.fullmatch(text.rstrip("/")) or text.split("/")[1] in _OWN_PATHS):
        raise ValueError
    return text.rstrip("/")


def _networks(value: object) -> object:
    return tuple(map(ipaddress.ip_network, _parts(value))) if isinstance(value, str) else value


def _split(value: object) -> object:
    return _parts(value) if isinstance(value, str) else value


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


Flag: TypeAlias = Annotated[bool, BeforeValidator(kinds.Flag().read), Field(strict=True), "true or false"]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535), "a whole number from 1 to 65535"]
Count: TypeAlias = Annotated[int, Field(ge=1), "a whole number of at least 1"]
OptionalCount: TypeAlias = Annotated[int | None, Field(ge=1), "a whole number of at least 1"]
Above0: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False), "a number above 0"]
AtLeast0: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False), "a number of at least 0"]
Folder: TypeAlias = Annotated[Path, BeforeValidator(_given), "a path"]
Home: TypeAlias = Annotated[
    Path, BeforeValidator(_given), AfterValidator(_existing), "a folder that is there"
]
OptionalPath: TypeAlias = Annotated[Path | None, BeforeValidator(_given), "a path"]
OptionalFile: TypeAlias = Annotated[
    Path | None, BeforeValidator(_given), AfterValidator(_readable), "a file that can be read"
]
OptionalFolder: TypeAlias = Annotated[
    Path | None,
    BeforeValidator(_given),
    AfterValidator(_folder),
    "a folder, or a path at which one can be made",
]
Host: TypeAlias = Annotated[str, AfterValidator(_host), "an address or a name of this machine"]
Url: TypeAlias = Annotated[str, AfterValidator(_url), "a URL like http://127.0.0.1:8080"]
Rate: TypeAlias = Annotated[
    str,
    Field(pattern=r"^([1-9][0-9]*/([1-9][0-9]* ?)?(second|minute|hour|day)s?)?$"),
    "a number per time, like 100/minute",
]
RateStore: TypeAlias = Annotated[
    str, Field(pattern=r"^(memory://|rediss?://\S+)$"), "memory:// or an address like redis://127.0.0.1:6379"
]
JobsUrl: TypeAlias = Annotated[
    str, Field(pattern=r"^(postgres(ql)?://\S+)?$"), "a URL like postgresql://edge@database/photorestore"
]
JobsFiles: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(/.*|[a-z0-9]+://[^@?#\s]+)?$"),
    "a path from the root, or a URL like s3://bucket/prefix without user and query",
]
Workflow: TypeAlias = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]+$"), "letters, digits, dots, `_` and `-`"
]
Origins: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_origin)], ...],
    BeforeValidator(_split),
    "origins like https://album.example:8443, separated by commas",
]
Destinations: TypeAlias = Annotated[
    str, AfterValidator(_destinations), "hosts, *.DOMAIN and networks like 10.0.0.0/8, separated by commas"
]
Places: TypeAlias = Annotated[
    str,
    AfterValidator(_places),
    "places like s3://bucket/prefix, hosts, *.DOMAIN and networks like 10.0.0.0/8, separated by commas",
]
PublicPath: TypeAlias = Annotated[str, AfterValidator(_public_path), "a path like /photos"]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks: TypeAlias = Annotated[
    tuple[Network, ...], BeforeValidator(_networks), "networks like 10.0.0.0/8, separated by commas"
]


def is_loopback(host: str) -> bool:
    """Return whether nobody from outside reaches a host of this name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
