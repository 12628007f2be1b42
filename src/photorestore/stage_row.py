"""Define what the table of stages says of each. Imports only the standard library, like `stage_table`."""

from __future__ import annotations

from dataclasses import dataclass

ALPHA, MASK, ENLARGED, BLURRED = "alpha", "mask", "enlarged", "blurred"
WEATHERED, COLOURED, IMPULSES, WIDE = "weathered", "coloured", "impulses", "wide"
"""What a plane may require: an alpha channel, a mask from the caller, a result larger than the picture, a blur to undo,
weather to be taken out, colours asked for, impulses looked for, a raw file's own colours asked for."""

PICTURE, OPACITY, DAMAGE = "picture", "opacity", "damage"
"""What a plane may hold: the result so far, or what of it is to be filled."""


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """A network of a stage.

    Attributes:
        name: that of its stage, or begins with it and `_`; also the name of its weights.
        path: its class, as `module:name`; imported where it is needed.
        has_tiers: whether it comes in several sizes; otherwise all tiers of the stage use the same.
    """

    name: str
    path: str
    has_tiers: bool = True


@dataclass(frozen=True, slots=True)
class PlaneRow:
    """A plane that a stage writes.

    Attributes:
        channels: samples of a pixel; 0 where the plane does not grow with the picture.
        sample_bytes: of one sample; None: as in the upload.
        holds: `PICTURE` or `OPACITY` if it is the result so far, `DAMAGE` if it says what is to be filled; of several
            such planes that are there the first in the table counts.
        needs: what must all be there for it to be written.
    """

    name: str
    channels: int
    sample_bytes: int | None = 2
    holds: str = ""
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method among which callers choose.

    Attributes:
        name: the value of the option.
        seconds: of one core for a megapixel in colour, in the fast tier, on the machine that the bench ran on.
    """

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage. Its class is `stages.<name>.<Name>Stage`.

    Attributes:
        label: its name for people who choose among the stages.
        does: what it does, in one line.
        works_when: when it works, in one line.
        after: the stages whose results it takes; empty: that of the row above.
        is_selectable: whether `stages` may name it.
        has_strength: whether it can do its work in part.
        takes_networks: whether a network from elsewhere may work in place of the one that has its name.
        reads_estimates: whether it goes by what `preprocess` measures in the picture, beside the judgement.
        options: those that make it work if they differ from their defaults. A selectable stage that has some works if
            it is named, too, and not otherwise; one that has none and is not selectable always works.
        methods: those that the option `<name>_method` chooses among.
        networks: its own.
        borrows: names of other stages' networks that it runs.
        planes: what it writes.
        findings: the class of what it hands on beside planes, as `module:name`; empty: nothing.
        batch_size: how many pictures that wait are given to it at once.
        gpu_batch_size: the same on a machine with a GPU.
        max_batch_delay_ms: how long a picture waits for others.
        max_workers: processes that run it.
    """

    name: str
    label: str
    does: str
    works_when: str
    after: tuple[str, ...] = ()
    is_selectable: bool = False
    has_strength: bool = False
    takes_networks: bool = False
    reads_estimates: bool = True
    options: tuple[str, ...] = ()
    methods: tuple[MethodRow, ...] = ()
    networks: tuple[NetworkRow, ...] = ()
    borrows: tuple[str, ...] = ()
    planes: tuple[PlaneRow, ...] = ()
    findings: str = ""
    batch_size: int = 4
    gpu_batch_size: int = 8
    max_batch_delay_ms: int = 1
    max_workers: int = 1
