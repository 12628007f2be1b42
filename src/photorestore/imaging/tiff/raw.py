"""Tell a camera's raw file from a TIFF: many begin like one and hold a small preview in place of its picture."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.errors import CorruptImage, TruncatedImage
from photorestore.imaging.tiff.directory import Directory, below, pages

_WIDTH, _HEIGHT, _MAKE = 256, 257, 271
_DNG_VERSION, _ACTIVE_AREA = 50706, 50829
_PERIOD, _PATTERN, _LAYOUT, _IN_ROWS = 33421, 33422, 50711, 1
LONGEST_PERIOD = 16
"""Sides of a pattern of colours: sensors repeat after 2 to 16 pixels."""
_SEGMENTS = {273: 279, 324: 325}
"""Where strips and tiles stand, and how long they are."""
MOST_SEGMENTS = 65_536
_MOSAIC_KINDS = {32803, 34892}
"""Colour filter array and linear raw, as photometric interpretation."""
_RAW_CODINGS = {32767, 32769, 32770, 34713, 65000, 65535}
"""Of Sony, Epson, Samsung, Nikon, Kodak and Pentax."""
_MAKERS = {b"NIKON": "nef", b"SONY": "arw", b"PENTAX": "pef", b"SAMSUNG": "srw", b"Hasselblad": "3fr"}


@dataclass(frozen=True, slots=True)
class RawTiff:
    """A raw file that is built like a TIFF.

    Attributes:
        kind: one of `sniff.RAW`.
        first: the directory that tells of the camera.
        sensor: the one of the largest picture: the sensor's samples, or a JPEG as large.
    """

    kind: str
    first: Directory
    sensor: Directory

    @property
    def size_hw(self) -> tuple[int, int]:
        """Return height and width of the picture, or of a little more where it does not tell which part counts.

        Raises:
            CorruptImage: the part that counts has no area.
        """
        h, w = _size_of(self.sensor)
        if area := self.sensor.integers(_ACTIVE_AREA, 4):
            top, left, bottom, right = area
            h, w = min(bottom, h) - top, min(right, w) - left
        if min(h, w) < 1:
            raise CorruptImage("the raw file holds no picture: none of its directories tells a size")
        return h, w

    @property
    def pattern(self) -> tuple[str, ...]:
        """Return rows of letters RGB, the period of the colours that the sensor's pixels measure.

        Empty where it is not told, or tells of other colours: then LibRaw knows, or there is no mosaic.
        """
        rows, columns = (*self.sensor.integers(_PERIOD, 2), 0, 0)[:2]
        is_in_rows = self.sensor.first(_LAYOUT, _IN_ROWS) == _IN_ROWS  # in others lines are staggered
        if (
            self.kind != "dng"
            or not is_in_rows
            or not (1 <= rows <= LONGEST_PERIOD and 1 <= columns <= LONGEST_PERIOD)
        ):
            return ()
        colours = self.sensor.integers(_PATTERN, rows * columns)
        if len(colours) != rows * columns or set(colours) != {0, 1, 2}:
            return ()
        letters = "".join("RGB"[colour] for colour in colours)
        return tuple(letters[start : start + columns] for start in range(0, len(letters), columns))


def find_raw(upload: bytes) -> RawTiff | None:
    """Return what a TIFF tells if it is a raw file by what is in any of its directories, else None.

    Raises:
        TruncatedImage: it breaks off, also within the sensor's samples: LibRaw would make a picture of what there is.
    """
    chain = pages(upload)
    directories = [*chain, *(directory for page in chain[:1] for directory in below(upload, page))]
    kind = _kind(upload, directories)
    if kind is None:
        return None
    sensors = [directory for directory in directories if _is_raw(directory)] or chain[
        3:
    ]  # where a CR2 has its own
    if any(_end_of(directory) > len(upload) for directory in sensors):
        raise TruncatedImage(f"the {kind.upper()} breaks off within the sensor's samples")
    return RawTiff(kind, chain[0], max(directories, key=lambda directory: _area(_size_of(directory))))


def _kind(upload: bytes, directories: list[Directory]) -> str | None:
    if upload[8:10] == b"CR":
        return "cr2"
    if upload[8:12] in (b"IIII", b"MMMM"):
        return "iiq"
    if any(_DNG_VERSION in directory for directory in directories):
        return "dng"
    if not any(_is_raw(directory) for directory in directories):
        return None
    make = directories[0].blob(_MAKE) or b""
    return next((kind for start, kind in _MAKERS.items() if make.startswith(start)), "raw")


def _is_raw(directory: Directory) -> bool:
    return directory.first(262, 0) in _MOSAIC_KINDS or directory.first(259, 1) in _RAW_CODINGS


def _end_of(directory: Directory) -> int:
    """Where the last strip or tile ends."""
    ends = [0]
    for at, length in _SEGMENTS.items():
        starts, lengths = (directory.integers(tag, MOST_SEGMENTS) for tag in (at, length))
        ends += [start + size for start, size in zip(starts, lengths, strict=False)]
    return max(ends)


def _size_of(directory: Directory) -> tuple[int, int]:
    return directory.first(_HEIGHT, 0), directory.first(_WIDTH, 0)


def _area(size_hw: tuple[int, int]) -> int:
    return size_hw[0] * size_hw[1]
