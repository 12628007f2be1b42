"""What is told of a stage beforehand. Nothing but the standard library, as in `stages.table`."""

from __future__ import annotations

from dataclasses import dataclass

ALPHA, MASK, ENLARGED = "alpha", "mask", "enlarged"
"""What a plane may depend on: opacity, the caller's mask, and that the result is larger than the picture."""

PICTURE, OPACITY, DAMAGE = "picture", "opacity", "damage"
"""What a plane may hold: the result so far, or what of it is to be filled."""


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """A network of a stage.

    Attributes:
        name: that of its stage, or beginning with it and `_`; the name of its weights, too.
        path: its class, as `module:name`; imported where it is needed.
        has_tiers: whether it comes in several sizes; otherwise all tiers of the stage work with the one.
    """

    name: str
    path: str
    has_tiers: bool = True


@dataclass(frozen=True, slots=True)
class PlaneRow:
    """A plane that a stage writes.

    Attributes:
        channels: samples of a pixel.
        sample_bytes: of one sample; None: as in the upload.
        holds: `PICTURE` or `OPACITY` where it is the result so far, `DAMAGE` where it is what is to be filled: of
            several that are there the first row's counts.
        needs: it is only written where there is all of this.
    """

    name: str
    channels: int
    sample_bytes: int | None = 2
    holds: str = ""
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage. Its class is `stages.<name>.<Name>Stage`.

    Attributes:
        label: what a person is asked who chooses among the stages.
        does: what it does, in one line.
        works_when: when it works, in one line.
        after: the stages whose results it takes; empty: that of the row above.
        is_selectable: whether `stages` may name it.
        has_strength: whether it can do its work in part.
        options: those that call for it where they are not as by default. A stage that has none and is not selectable
            always works.
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
    options: tuple[str, ...] = ()
    networks: tuple[NetworkRow, ...] = ()
    borrows: tuple[str, ...] = ()
    planes: tuple[PlaneRow, ...] = ()
    findings: str = ""
    batch_size: int = 4
    gpu_batch_size: int = 8
    max_batch_delay_ms: int = 1
    max_workers: int = 1
