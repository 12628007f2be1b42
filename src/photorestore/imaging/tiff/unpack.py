"""Turn a TIFF's bytes into numbers: samples of any depth, and colour stored for several pixels at once."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.unsignedinteger]


def unpacked(raw: Bytes, count: int, bits: int, order: str) -> Samples:
    """Return samples (rows, count) of 8, 16 or 32 bits from rows of bytes that hold them in `bits` (1 to 16, or 32).

    Args:
        raw: (rows, bytes), each row of whole bytes.
        order: `<` or `>`, of the bytes in samples of 16 and 32 bits; all others are streams of bits, highest first.
    """
    if bits == 8:
        return raw[:, :count]
    if bits in (16, 32):
        words = raw.view(f"{order}u{bits // 8}")
        return words.astype(words.dtype.newbyteorder("="), copy=False)
    return _from_stream(raw, count, bits)


def _from_stream(raw: Bytes, count: int, bits: int) -> Samples:
    """Unpack at once all samples that are at the same place within a group of whole bytes."""
    group = 8 // math.gcd(bits, 8)
    stride = group * bits // 8
    padded = np.pad(raw, ((0, 0), (0, 4 + stride)))
    kind = np.uint8 if bits <= 8 else np.uint16
    samples = np.empty((len(raw), count), kind)
    for place in range(min(group, count)):
        start, shift = divmod(place * bits, 8)
        groups = len(range(place, count, group))
        word = np.zeros((len(raw), groups), np.uint32)
        for byte in range(start, start + 4):
            word <<= np.uint32(8)
            word |= padded[:, byte : byte + groups * stride : stride]
        samples[:, place::group] = word >> (32 - shift - bits) & ((1 << bits) - 1)
    return samples


def replicated(raw: Bytes, subsampling: tuple[int, int]) -> Samples:
    """Return YCbCr (rows, W, 3) from units that hold `down` times `across` lumas, one Cb and one Cr."""
    down, across = subsampling
    units = raw.reshape(len(raw), -1, down * across + 2)
    rows, columns = units.shape[:2]
    pixels = np.empty((rows, down, columns, across, 3), np.uint8)
    pixels[..., 0] = units[..., :-2].reshape(rows, columns, down, across).swapaxes(1, 2)
    pixels[..., 1:] = units[:, np.newaxis, :, np.newaxis, -2:]
    return pixels.reshape(rows * down, columns * across, 3)
