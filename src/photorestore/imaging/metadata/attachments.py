"""Collect what goes with a picture (EXIF, XMP and the rest), and move what a format has no place for."""

from __future__ import annotations

from dataclasses import dataclass, field

from photorestore.imaging.metadata.change import Change
from photorestore.imaging.metadata.exif import ORIENTATION, RATIONAL, SHORT, Exif, plain_block, rewrite_exif
from photorestore.imaging.metadata.extras import (
    RESOLUTION,
    TIFF_UNITS,
    Density,
    Extras,
    Text,
    density_of_tags,
)
from photorestore.imaging.metadata.extras_read import MOST_NAMED, read_extras
from photorestore.imaging.metadata.heif_orientation import change_of_stored
from photorestore.imaging.metadata.ifd import Entry
from photorestore.imaging.metadata.photoshop import DIGEST, IPTC, without_copies
from photorestore.imaging.metadata.xmp import rewrite_xmp

_LONGEST_COMMENT = 65_533
_TEXT_TAGS = {"Title": 269, "Description": 270, "Software": 305, "Author": 315, "Copyright": 33432}
"""Where EXIF keeps what PNG's usual keywords say."""
_TEXT = 2


@dataclass(slots=True)
class Attachments:
    """Metadata, brought up to date already.

    Attributes:
        exif: or None.
        xmp: a packet, or None.
        extras: the rest.
    """

    exif: Exif | None = None
    xmp: bytes | None = None
    extras: Extras = field(default_factory=Extras)

    def settle(self, name: str, dropped: list[str]) -> None:
        """Move what the format `name` has no place for to where it has one, or name it in `dropped`."""
        extras = self.extras
        if name != "png":
            left = [text for text in extras.texts if not self._settle_text(text, name)]
            keywords = sorted({text.keyword if text.text else text.kind.decode() for text in left})
            dropped += [f"text {keyword}: {name} has no place for it" for keyword in keywords[:MOST_NAMED]]
            extras.texts = []
        if name not in ("png", "jpeg") and extras.comments:
            dropped.append(f"comment: {name} has no place for it")
            extras.comments = []
        if name in ("webp", "avif") and extras.resources:
            kinds = {"iptc" if number in (IPTC, DIGEST) else "photoshop" for number in extras.resources}
            dropped += [f"{kind}: {name} has no place for it" for kind in sorted(kinds)]
            extras.resources = {}
        if name in ("tiff", "webp", "avif"):
            self._settle_density(name, dropped)
        if (
            name == "avif" and self.exif is not None
        ):  # at the sight of one, Pillow writes EXIF anew and loses texts
            self.exif.directory.entries.pop(ORIENTATION, None)
        if self.exif is not None and self.exif.is_empty:
            self.exif = None

    def _settle_text(self, text: Text, name: str) -> bool:
        """Move a PNG's text to where EXIF or JPEG keep its like, if that is free; return whether it was moved."""
        encoded, tag = (text.text or "").encode(), _TEXT_TAGS.get(text.keyword)
        told = self.exif.directory.entries if self.exif else {}
        if name == "jpeg" and text.keyword == "Comment" and len(encoded) <= _LONGEST_COMMENT:
            self.extras.comments.append(encoded)
            return True
        if not encoded or tag is None or tag in told:
            return False
        self._exif().directory.entries[tag] = Entry(_TEXT, encoded + b"\0")
        return True

    def _settle_density(self, name: str, dropped: list[str]) -> None:
        """Put the resolution into EXIF's first directory, if there is none there."""
        if self.extras.density is None:
            return
        exif = self._exif()
        told = density_of_tags(exif.directory.entries, exif.order)
        if told is None:
            exif.directory.entries |= _density_tags(self.extras.density, exif)
        elif not told.is_near(self.extras.density):
            dropped.append(f"resolution: {name} holds one; EXIF's is kept")

    def _exif(self) -> Exif:
        self.exif = self.exif or Exif()
        return self.exif


def _density_tags(density: Density, exif: Exif) -> dict[int, Entry]:
    unit = "cm" if density.unit == "metre" else density.unit
    sides = (value.limit_denominator(1 << 16).as_integer_ratio() for value in density.per(unit))
    x, y = (exif.numbers(RATIONAL, *side) for side in sides)
    return dict(zip(RESOLUTION, (x, y, exif.numbers(SHORT, TIFF_UNITS[unit])), strict=True))


def collect(
    upload: bytes, kind: str, change: Change, dropped: list[str], *, exif: bytes | None, xmp: bytes | None
) -> Attachments:
    """Return the metadata of an upload, brought up to date for the result.

    Args:
        upload: of the format `kind`.
        exif, xmp: its blocks, as the header has them.
        dropped: gets the names of what is lost.
    """
    change = change_of_stored(upload, kind, change)
    extras = read_extras(upload, kind)
    extras.resources = without_copies(extras.resources, plain_block(exif or b""), xmp or b"", extras.dropped)
    if change.orientation >= 5 and extras.density is not None:
        extras.density = extras.density.transposed
    if not change.gps:
        extras.forget_place()
    dropped += extras.dropped
    return Attachments(
        None if exif is None else rewrite_exif(exif, change, dropped),
        None if xmp is None else rewrite_xmp(xmp, change, dropped),
        extras,
    )
