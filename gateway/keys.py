"""API keys: several at a time, hashed where they lie, compared in constant time.

The file has a line for each key, `NAME SHA256`; empty lines and such that begin with `#` do not count. It is read
anew when it changes, so a key is exchanged by adding the new one, moving the callers over, and deleting the old one.
Keys are 32 random bytes, so one round of SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from pathlib import Path

logger = logging.getLogger(__name__)

_LINE = re.compile(r"^(\S+)\s+([0-9a-f]{64})$")


def make_key() -> str:
    """A new key."""
    return f"pr_{secrets.token_urlsafe(32)}"


def key_line(name: str, key: str) -> str:
    """The line of the file for a key."""
    return f"{name} {_hashed(key)}"


def read_keys(file: Path) -> dict[str, str]:
    """Hashes by name.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not as it should be, or there is none.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.match(text)
        if match is None:
            raise ValueError(f"{file}, line {number}: expected NAME SHA256")
        found[match[1]] = match[2]
    if not found:
        raise ValueError(f"{file} holds no key")
    return found


class Keys:
    """The keys of a file, read anew when it changes.

    Raises:
        OSError, ValueError: as `read_keys`; later on the keys read before stay.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._state = self._look()
        self._hashes = read_keys(file)

    def name_of(self, key: str) -> str | None:
        """The name of a key, or None. Takes as long for a wrong key as for a right one."""
        self._reload()
        given = _hashed(key)
        names = [name for name, known in self._hashes.items() if hmac.compare_digest(given, known)]
        return names[0] if names else None

    def _reload(self) -> None:
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            self._hashes = read_keys(self._file)
        except (OSError, ValueError):
            logger.exception("the API keys cannot be read anew; those read before stay")

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
