"""API keys, stored as hashes and compared in constant time.

The file has a line for each key, `NAME SHA256`; empty lines and lines that begin with `#` are ignored. It is read again
when it changes, so a key is rotated by adding the new one, moving the callers over, and deleting the old one. Several
keys may have one name. Jobs belong to a name, so the new key finds the jobs of the old one.
Keys are 32 random bytes and cannot be guessed, so one round of SHA-256 is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from pathlib import Path

logger = logging.getLogger(__name__)

STALE = "the file of API keys cannot be read anew; those read before stay valid"
NONE = "the file of API keys holds none: nobody is let in"

_LINE = re.compile(r"^(\S+)\s+([0-9a-f]{64})$")


def make_key() -> str:
    """Return a new random key."""
    return f"pr_{secrets.token_urlsafe(32)}"


def key_line(name: str, key: str) -> str:
    """Return the line of the file for a key."""
    return f"{name} {_hashed(key)}"


def read_keys(file: Path) -> list[tuple[str, str]]:
    """Return the names and hashes in a file; a name may occur several times.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is malformed.
    """
    found: list[tuple[str, str]] = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.match(text)
        if match is None:
            raise ValueError(f"{file}, line {number}: expected NAME SHA256")
        found.append((match[1], match[2]))
    return found


class Keys:
    """The keys of a file, which is read again when it changes.

    An emptied file lets nobody in. While the file is missing or malformed, the keys read before stay valid.

    Raises:
        OSError, ValueError: as `read_keys`, or the file holds no key.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._state = self._look()
        self._problem = ""
        self._hashes = read_keys(file)
        if not self._hashes:
            raise ValueError(f"{file} holds no key")

    @property
    def problem(self) -> str:
        """Return why the keys may not be those that the operator wants; empty when all is well."""
        self._reload()
        return self._problem

    def name_of(self, key: str) -> str | None:
        """Return the name of a key, or None for an unknown one, which takes as long."""
        self._reload()
        given = _hashed(key)
        names = [name for name, known in self._hashes if hmac.compare_digest(given, known)]
        return names[0] if names else None

    def _reload(self) -> None:
        state = self._look()
        if state == self._state and self._problem != STALE:
            return
        self._state = state
        try:
            self._hashes = read_keys(self._file)
        except (OSError, ValueError) as error:
            self._note(STALE, f": {error}")
        else:
            self._note("" if self._hashes else NONE)

    def _note(self, problem: str, detail: str = "") -> None:
        """Remember what is wrong, and log it once."""
        if problem != self._problem:
            logger.warning("%s%s", problem or "the API keys are read again", detail)
        self._problem = problem

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
