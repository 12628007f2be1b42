"""Signatures of webhooks: those of Standard Webhooks (standardwebhooks.com), and ours, in a header of its own.

The file of secrets has a line for each: text, or `whsec_` and the bytes in Base64. All of them sign, so that a secret
is rotated by adding the new one, moving the receivers over, and deleting the old one. Spaces and line ends around a
secret do not count.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

SIGNATURE = "X-Photorestore-Signature"
SHORTEST_SECRET = 16
"""Bytes of a secret."""
_STANDARD = "whsec_"


def read_secrets(file: Path) -> list[bytes]:
    """Read the secrets that sign webhooks.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no secret or too short, or there is none.
    """
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} is no text; write secrets of any bytes as {_STANDARD} and Base64"
        ) from error
    secrets = [_secret_of(line) for line in lines if line]
    if not secrets or min(map(len, secrets)) < SHORTEST_SECRET:
        raise ValueError(f"{file} holds no secret of at least {SHORTEST_SECRET} bytes in each line")
    return secrets


def sign(secrets: Sequence[bytes], message_id: str, body: bytes, now: int) -> dict[str, str]:
    """Return the headers that sign a message.

    Args:
        message_id: the same for all tries.
        now: Unix time.
    """
    ours = [_hmac(secret, b"%d." % now + body).hex() for secret in secrets]
    signed = f"{message_id}.{now}.".encode() + body
    standard = [base64.b64encode(_hmac(secret, signed)).decode() for secret in secrets]
    return {
        SIGNATURE: ",".join([f"t={now}", *(f"v1={text}" for text in ours)]),
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1,{text}" for text in standard),
    }


def _secret_of(line: str) -> bytes:
    if not line.startswith(_STANDARD):
        return line.encode()
    try:
        return base64.b64decode(line.removeprefix(_STANDARD), validate=True)
    except binascii.Error:
        return b""


def _hmac(secret: bytes, message: bytes) -> bytes:
    return hmac.new(secret, message, hashlib.sha256).digest()
