"""The words of an annotation.

Each line is `KIND ARGUMENTS: x,y x,y ...` in pixels of the picture; `#` begins a comment. A header names `source` (the
file), and may name `origin`, `sure` (how sure the labeller was) and `thr` (the share of a line's contrast from which a
pixel belongs to it).

| line | marks |
|---|---|
| `L b 3:` | a line that snaps to the ridge: brighter (`b`), darker (`d`) or both (`x`), at most 3 px wide |
| `F 2:` | a line as it is drawn, 2 px wide |
| `S d 2:` | dark specks, each within 2 px of its point |
| `P:` | the whole polygon |
| `T b 140:` | what is brighter than 140 in the polygon |
| `A d 12:` | what is darker than its surroundings by 12 in the polygon |
| `C 9:` | what is redder than its surroundings by 9 in the polygon: rust, bared paper |
| `I:`, `X:` | a polygon that is unsure; damage wins over `I`, `X` wins over damage |
| `U 18:` | in the polygon, spots that differ by 18 and are not marked are unsure |
| `O:` | what was examined: all else is unsure |
| `Z:` | a polygon that is sound, whatever else says |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HEADERS = ("source", "origin", "sure", "thr")
KINDS = frozenset("LFSPTACIXUOZ")
CORE_SHARE = 0.38
"""Share of a line's contrast from which a pixel belongs to it, unless the header `thr` says another."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One line: its kind, its arguments, its points (x, y)."""

    kind: str
    arguments: tuple[str, ...]
    points: tuple[tuple[float, float], ...]

    @property
    def polarity(self) -> str:
        return self.arguments[0]

    @property
    def size(self) -> float:
        """The last argument: a width, radius or threshold."""
        return float(self.arguments[-1])


@dataclass(frozen=True, slots=True)
class Annotation:
    """What was marked in one picture.

    Attributes:
        source: name of the picture's file.
        core_share: see `CORE_SHARE`.
    """

    source: str
    marks: tuple[Mark, ...]
    core_share: float = CORE_SHARE

    def of(self, kinds: str) -> list[Mark]:
        """Return the marks of some kinds, in their order."""
        return [mark for mark in self.marks if mark.kind in kinds]


@dataclass(slots=True)
class _Parsed:
    headers: dict[str, str] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)


def read_annotation(file: Path) -> Annotation:
    """Read an annotation.

    Raises:
        ValueError: a line cannot be read; it is named.
    """
    parsed = _Parsed()
    for number, line in enumerate(file.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            _read_line(text, parsed)
        except (ValueError, IndexError) as error:
            raise ValueError(f"{file}:{number}: {line!r}: {error}") from error
    share = float(parsed.headers.get("thr", CORE_SHARE))
    return Annotation(parsed.headers["source"], tuple(parsed.marks), share)


def _read_line(text: str, parsed: _Parsed) -> None:
    head, _, rest = text.partition(":")
    if head in HEADERS:
        parsed.headers[head] = rest.strip()
        return
    kind, *arguments = head.split()
    if kind not in KINDS:
        raise ValueError(f"no such kind: {kind}")
    points = [tuple(map(float, point.split(","))) for point in rest.partition("#")[0].split()]
    if any(len(point) != 2 for point in points):
        raise ValueError("a point is not x,y")
    parsed.marks.append(Mark(kind, tuple(arguments), tuple(points)))  # type: ignore[arg-type]
