"""`python -m client.smoke [URL]`: send a generated picture through the running service, by its REST edge."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Sequence

from photorestore_client import Client, RestoreError

URL = "http://127.0.0.1:8000"
SIDE_PX = 64


def main(arguments: Sequence[str]) -> int:
    """Restore the picture and print what came back; return the exit status."""
    url = arguments[0] if arguments else URL
    try:
        with Client(url) as client:
            restored = client.restore(make_png(), request_id="smoke", format="png")
    except RestoreError as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1
    width, height = struct.unpack(">II", restored.content[16:24])
    print(f"{restored.content_type}, {width}x{height} px, {len(restored.content)} bytes")
    return 0 if (width, height) == (SIDE_PX, SIDE_PX) else 1


def make_png() -> bytes:
    """Return a PNG of a colour gradient."""
    rows = b"".join(
        b"\0" + bytes(value for column in range(SIDE_PX) for value in (4 * row, 4 * column, 128))
        for row in range(SIDE_PX)
    )
    header = struct.pack(">IIBBBBB", SIDE_PX, SIDE_PX, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
