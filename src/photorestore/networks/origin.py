"""Say where weights come from: trained by our scripts, or imported. No torch here: the REST edge uses this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Trained:
    """Trained here.

    Attributes:
        commit: of this repository, at the time.
        config: of the training.
        data: what it was trained on, in words.
        device: on which it was trained.
        seconds, seed, steps: of the training.
    """

    kind: ClassVar[str] = "trained"
    commit: str
    config: Mapping[str, Any]
    data: str
    device: str
    seconds: float
    seed: int
    steps: int


@dataclass(frozen=True, slots=True)
class Imported:
    """Trained by others, and converted.

    Attributes:
        source: the package or project that they come from.
        version: of the source.
        file: what was read.
        sha256: of that file.
        licence: under which the source gives them.
    """

    kind: ClassVar[str] = "imported"
    source: str
    version: str
    file: str
    sha256: str
    licence: str

    def to_mapping(self) -> dict[str, str]:
        """Return what the metadata of the weights hold under `origin`."""
        return {"kind": self.kind, **asdict(self)}


Origin = Trained | Imported


def origin_of(metadata: Mapping[str, Any]) -> Origin:
    """Return where weights come from, by their metadata; weights without an origin were trained here.

    Raises:
        ValueError: the metadata lack a field of it, or name another kind of origin.
    """
    told = dict(metadata.get("origin") or {"kind": Trained.kind})
    kind = told.pop("kind", None)
    cls: type[Origin]
    if kind == Imported.kind:
        cls, values = Imported, told
    elif kind == Trained.kind:
        cls, values = Trained, dict(metadata)
    else:
        raise ValueError(f"origin is {kind!r}; expected {Trained.kind} or {Imported.kind}")
    names = [field.name for field in fields(cls)]
    if missing := [name for name in names if name not in values]:
        raise ValueError(f"weights that were {kind} lack {', '.join(missing)}")
    return cls(**{name: values[name] for name in names})
