"""While a hostile head is read, the edge goes on."""

import asyncio
import contextlib
import io
import time
from collections.abc import Awaitable
from pathlib import Path

import pytest
from PIL import Image

from gateway.restore import intake
from gateway.restore.parts import Received
from photorestore.errors import RestorationError
from photorestore.imaging import LIMITS
from photorestore.options import Options
from photorestore.workspace import Workspace
from tests.conftest import make_photo
from tests.container_pieces import jpeg, segment
from tests.hostile_containers import FAMILIES

pytestmark = pytest.mark.anyio

LONGEST_SILENCE_S = 0.1
WORST = (
    "jpeg: exif in pieces",
    "jpeg: tables",
    "png: exif that is read",
    "png: texts unpack",
    "tiff: numbers",
    "webp: short chunks",
    "gif: comment in blocks",
    "avif: items",
    "heic: short boxes",
    "heic: properties",
    "heic: extents",
    "jp2: palettes",
    "j2c: empty segments",
)


async def longest_silence_s(work: Awaitable[object]) -> float:
    """How long this process computes at a time without a turn of the event loop; others' computing does not count."""
    longest, last = 0.0, time.process_time()
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.sleep(0.001)
        now = time.process_time()
        longest, last = max(longest, now - last), now
    with contextlib.suppress(RestorationError):
        await task
    return longest


def prepare(root: Path, upload: bytes) -> Awaitable[intake.Prepared]:
    workspace = Workspace.create(root, Options())
    workspace.write_file("upload", upload)
    return intake.prepare(workspace, Received("", None), "", wants_masks=False)


@pytest.mark.parametrize("name", WORST)
async def test_event_loop_is_never_silent_while_a_hostile_head_is_read(tmp_path: Path, name: str) -> None:
    upload = FAMILIES[name](LIMITS.upload_bytes)[: LIMITS.upload_bytes]
    silences: list[float] = []
    while len(silences) < 8 and min(silences, default=1.0) >= LONGEST_SILENCE_S:
        silences.append(await longest_silence_s(prepare(tmp_path, upload)))
    assert min(silences) < LONGEST_SILENCE_S


async def test_head_is_read_while_others_are(tmp_path: Path) -> None:
    slow = jpeg(segment(0xFFE1, b"Exif\0\0" + bytes(65_000)) * (LIMITS.upload_bytes // 65_020))
    file = io.BytesIO()
    Image.fromarray(make_photo(24, 32)).save(file, "JPEG")
    others = [asyncio.ensure_future(prepare(tmp_path, slow)) for _ in range(2)]
    await asyncio.sleep(0.2)
    prepared = await prepare(tmp_path, file.getvalue())
    assert prepared.pixels == 24 * 32
    assert not all(other.done() for other in others)
    for other in others:
        with pytest.raises(RestorationError):
            await other
