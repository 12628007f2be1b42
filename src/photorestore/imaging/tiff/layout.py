"""Decide what a TIFF is before any pixel is read: page, samples, depth, coding, extra channels.

Whatever cannot be read correctly is refused here by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.tiff.coding import (
    CCITT,
    OLD_JPEG,
    PICTURES,
    check_coding,
    is_differenced,
    segment_hw,
)
from photorestore.imaging.tiff.directory import Directory, below, pages

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
COLOURS = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
"""Samples of a pixel by the kind of picture."""
_OTHER_KINDS = {
    4: "a transparency mask",
    10: "ITULab",
    32844: "LogL",
    32845: "LogLuv",
}

_SAMPLE_FORMATS = {
    2: "signed integers",
    3: "floating-point numbers",
    5: "complex integers",
    6: "complex numbers",
}
MOST_SAMPLES = 64
"""Of a pixel."""
_REDUCED, _MASK = 1, 4
_ASSOCIATED, _UNASSOCIATED = 1, 2
_PHOTOSHOP_LAYERS = 37724


@dataclass(frozen=True)
class Layout:
    """The properties of the picture in a TIFF that is read.

    Attributes:
        page: its directory.
        width, height: as stored.
        photometric: the kind of picture, one of `COLOURS`.
        stored_bits: of a sample, 1 to 16, or 32.
        samples: of a pixel, extra ones included.
        alpha: which of the samples is the alpha, or None.
        is_associated: whether colours were multiplied by it.
        coding: the number of the compression.
        is_differenced: whether samples are differences to those on their left.
        is_planar: whether each sample has its own strips or tiles.
        segment_hw: height and width of a strip or a tile.
        is_tiled: whether it has tiles.
        orientation: 1 to 8, or None where no tag tells it.
        subsampling: luma samples for a chroma sample, down and across.
        dropped: what is left out, by name.
    """

    page: Directory
    width: int
    height: int
    photometric: int
    stored_bits: int
    samples: int
    alpha: int | None
    is_associated: bool
    coding: int
    is_differenced: bool
    is_planar: bool
    segment_hw: tuple[int, int]
    is_tiled: bool
    orientation: int | None
    subsampling: tuple[int, int]
    dropped: tuple[str, ...]

    @cached_property
    def bits(self) -> int:
        """Return the bits of a channel in the planes, 8 or 16."""
        return 8 if self.stored_bits <= 8 else 16

    @cached_property
    def space(self) -> str:
        """Return what the colours are when they have been read: `L`, `RGB` or `CMYK`."""
        return {MIN_IS_WHITE: "L", MIN_IS_BLACK: "L", CMYK: "CMYK"}.get(self.photometric, "RGB")

    @cached_property
    def mode(self) -> str:
        """Return Pillow's name for the kind of pixels, with `;16` behind it for 16 bits."""
        name = {PALETTE: "P", CIELAB: "LAB", ICCLAB: "LAB"}.get(self.photometric, self.space)
        if self.alpha is not None and name in ("L", "RGB"):
            name += "A"
        return name if self.bits == 8 else f"{name};16"


def layout_of(upload: bytes) -> Layout:
    """Find the layout of the full picture in a TIFF that is no raw file.

    Raises:
        NotAnImage: it is of a kind that is not read; the message names it.
        CorruptImage, TruncatedImage: it contradicts itself, or breaks off.
    """
    chain = pages(upload)
    under = [directory for page in chain[:1] for directory in below(upload, page)]
    page = _full_page(chain)
    if not _is_full(page) and any(map(_is_full, under)):
        raise NotAnImage("TIFF whose full picture stands below a reduced copy is not read")
    return _layout(upload, page, _left_out(page, [*chain, *under]))


def directory_of(upload: bytes) -> int:
    """Find where the directory of a TIFF's full picture stands.

    Raises:
        TruncatedImage: the TIFF breaks off.
    """
    return _full_page(pages(upload)).offset


def _full_page(chain: list[Directory]) -> Directory:
    return next(filter(_is_full, chain), chain[0])


def _is_full(page: Directory) -> bool:
    return not _kind(page) & (_REDUCED | _MASK)


def _kind(page: Directory) -> int:
    """NewSubfileType, or the older tag in its terms."""
    return page.first(254, _REDUCED if page.first(255, 1) == 2 else 0)


def _left_out(page: Directory, others: Sequence[Directory]) -> list[str]:
    kinds = [_kind(other) for other in others if other is not page]
    names = {
        "further pages": any(not kind & (_REDUCED | _MASK) for kind in kinds),
        "reduced copies": any(kind & _REDUCED for kind in kinds),
        "transparency mask": any(kind & _MASK for kind in kinds),
        "layers": _PHOTOSHOP_LAYERS in page,
    }
    return [name for name, is_there in names.items() if is_there]


def _layout(upload: bytes, page: Directory, dropped: list[str]) -> Layout:
    width, height = page.first(256, 0), page.first(257, 0)
    coding = page.first(259, 1)
    photometric, samples, stored_bits = _samples(page, coding)
    alpha, is_associated = _alpha(page, photometric, samples, dropped)
    if stored_bits > 16:
        dropped.append(f"{stored_bits} bits: read as 16")
    check_coding(upload, page, coding, stored_bits, samples)
    across, down = ((*page.integers(530, 2), 2, 2)[:2]) if photometric == YCBCR else (1, 1)
    is_planar = page.first(284, 1) == 2 and samples > 1
    is_picture = coding in PICTURES and not is_planar  # its decoder turns YCbCr into RGB
    orientation = page.first(274, 0)
    return Layout(
        page=page,
        width=width,
        height=height,
        photometric=RGB if is_picture and photometric == YCBCR else photometric,
        stored_bits=stored_bits,
        samples=samples,
        alpha=alpha,
        is_associated=is_associated,
        coding=coding,
        is_differenced=is_differenced(page, coding, stored_bits),
        is_planar=is_planar,
        segment_hw=segment_hw(page, width, height, samples * stored_bits),
        is_tiled=322 in page and coding not in OLD_JPEG,
        orientation=orientation if 1 <= orientation <= 8 else None,
        subsampling=(1, 1) if is_picture else _checked_subsampling(page, (down, across), stored_bits),
        dropped=tuple(dropped),
    )


def _samples(page: Directory, coding: int) -> tuple[int, int, int]:
    """Kind of picture, samples of a pixel, and their bits."""
    depths = page.integers(258, MOST_SAMPLES) or (1,)
    samples = page.first(277, len(depths))
    guess = RGB if samples >= 3 else MIN_IS_WHITE if coding in CCITT else MIN_IS_BLACK
    photometric = page.first(262, guess)
    if photometric not in COLOURS:
        name = _OTHER_KINDS.get(photometric, f"photometric interpretation {photometric}")
        raise NotAnImage(f"TIFF of {name}; expected grey, RGB, palette, CMYK, YCbCr, CIELab or ICCLab")
    if photometric == CMYK and page.first(332, 1) != 1:
        raise NotAnImage("TIFF of other inks than CMYK")
    if not COLOURS[photometric] <= samples <= MOST_SAMPLES:
        raise CorruptImage(f"TIFF has {samples} samples a pixel; expected {COLOURS[photometric]} or more")
    _check_numbers(page, photometric, samples, depths[:samples])
    return photometric, samples, depths[0]


def _check_numbers(page: Directory, photometric: int, samples: int, depths: tuple[int, ...]) -> None:
    """Refuse samples of kinds and depths that are not read."""
    for index, kind in enumerate(page.integers(339, samples)):
        if kind in _SAMPLE_FORMATS:
            bits = depths[min(index, len(depths) - 1)]
            raise NotAnImage(f"TIFF of {_SAMPLE_FORMATS[kind]} ({bits} bits); expected unsigned integers")
    if len(set(depths)) > 1:
        raise NotAnImage(f"TIFF whose samples differ in depth: {', '.join(map(str, depths))} bits")
    if photometric == PALETTE and not 1 <= depths[0] <= 8:
        raise NotAnImage(f"TIFF of palette with {depths[0]} bits a sample; expected at most 8")
    if not 1 <= depths[0] <= 16 and depths[0] != 32:
        raise NotAnImage(f"TIFF with {depths[0]} bits a sample; expected at most 16, or 32")
    if photometric in (CIELAB, ICCLAB) and depths[0] not in (8, 16):
        raise NotAnImage(f"TIFF of Lab with {depths[0]} bits a sample; expected 8 or 16")


def _alpha(page: Directory, photometric: int, samples: int, dropped: list[str]) -> tuple[int | None, bool]:
    """Which sample is the alpha, and whether it is associated; other extra samples go to `dropped`.

    A sample of unknown meaning is not alpha: scanners write infrared there. If the tag is missing, one sample beyond
    the colours of grey or RGB is taken for alpha, as libtiff does.
    """
    first = COLOURS[photometric]
    kinds = page.integers(338, MOST_SAMPLES)
    if 338 not in page and samples == first + 1 and photometric in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
        kinds = (_UNASSOCIATED,)
    alphas = [index for index, kind in enumerate(kinds, first) if kind in (_ASSOCIATED, _UNASSOCIATED)]
    alpha = alphas[0] if alphas and alphas[0] < samples else None
    others = [str(index + 1) for index in range(first, samples) if index != alpha]
    if others:
        dropped.append(f"extra channels: {', '.join(others)} of {samples}, not said to be alpha")
    is_associated = alpha is not None and kinds[alpha - first] == _ASSOCIATED
    if is_associated and photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB, CMYK):
        raise NotAnImage("TIFF of palette, YCbCr or Lab with associated alpha is not read")
    return alpha, is_associated


def _checked_subsampling(page: Directory, subsampling: tuple[int, int], stored_bits: int) -> tuple[int, int]:
    if subsampling == (1, 1):
        return subsampling
    if stored_bits != 8 or page.first(277, 1) != 3 or page.first(284, 1) == 2:
        raise NotAnImage(
            f"TIFF of YCbCr with reduced colour in {stored_bits} bits, planes or with more samples"
        )
    if not set(subsampling) <= {1, 2, 4}:
        raise CorruptImage(f"TIFF of YCbCr reduced by {subsampling[1]}x{subsampling[0]}; expected 1, 2 or 4")
    return subsampling
