"""Find how large coded HEVC pictures are (ITU-T H.265): a decoder allocates that, whatever the container claims."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from photorestore.errors import CorruptImage
from photorestore.imaging.files.boxes import Box

_SPS = 33
"""Type of a sequence parameter set."""
_RECORD_HEAD_BYTES = 22
_LONGEST_START = 256
"""The sizes are within so many bytes of a parameter set, whatever the number of layers before."""


class _Bits:
    """Reads the bits of a parameter set, highest first."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "big")
        self._left = 8 * len(content)

    def take(self, count: int) -> int:
        """Read an unsigned number of so many bits.

        Raises:
            CorruptImage: there are not so many.
        """
        self._left -= count
        if self._left < 0:
            raise CorruptImage("HEVC parameter set breaks off")
        return self._value >> self._left & ((1 << count) - 1)

    def take_exponential(self) -> int:
        """Read an unsigned Exp-Golomb number of at most 32 bits."""
        zeros = 0
        while self.take(1) == 0:
            zeros += 1
            if zeros > 32:
                raise CorruptImage("HEVC parameter set holds no number where one is due")
        return (1 << zeros) - 1 + self.take(zeros)


def coded_sizes(upload: bytes, properties: Iterable[Box]) -> Iterator[tuple[int, int]]:
    """Yield width and height of each decoder configuration (`hvcC`) among the properties of a HEIF file.

    Raises:
        CorruptImage: a parameter set cannot be read.
    """
    for box in properties:
        if box.name == b"hvcC":
            for unit in _units(upload[box.start : box.end]):
                yield _size(unit)


def _units(record: bytes) -> Iterator[bytes]:
    """The sequence parameter sets of a configuration record (ISO/IEC 14496-15, 8.3.3)."""
    try:
        at = _RECORD_HEAD_BYTES + 1
        for _ in range(record[_RECORD_HEAD_BYTES]):
            kind, count = struct.unpack_from(">BH", record, at)
            at += 3
            for _ in range(count):
                (length,) = struct.unpack_from(">H", record, at)
                if kind & 0x3F == _SPS:
                    yield record[at + 2 : at + 2 + length]
                at += 2 + length
    except (IndexError, struct.error) as error:
        raise CorruptImage("HEVC configuration breaks off") from error


def _size(unit: bytes) -> tuple[int, int]:
    """Width and height of a sequence parameter set (7.3.2.2), behind its header of two bytes."""
    bits = _Bits(unit[2:_LONGEST_START].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)  # profile, tier and level
    if layers:
        present = [(bits.take(1), bits.take(1)) for _ in range(8)][:layers]
        for has_profile, has_level in present:
            bits.take(88 * has_profile + 8 * has_level)
    bits.take_exponential()
    if bits.take_exponential() == 3:  # colour at full size
        bits.take(1)
    return bits.take_exponential(), bits.take_exponential()
