"""Keep what a stage found or did, for the stages after it and for the report.

No torch here: the REST edge imports this module.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from photorestore.records import read_record
from photorestore.stage_table import STAGE_ROWS


@dataclass(frozen=True, slots=True)
class Findings:
    """What one stage hands on. Each stage that hands anything on has its own class, which its row names."""

    @classmethod
    def read(cls, document: object) -> Findings:
        """Return the findings of this class in decoded JSON.

        Raises:
            ValueError: they are something else.
        """
        return read_record(cls, document)


Kind = TypeVar("Kind", bound=Findings)


def find(estimates: Mapping[str, Findings], kind: type[Kind]) -> Kind | None:
    """Return the findings of one class, or None where its stage found nothing."""
    return next((found for found in estimates.values() if isinstance(found, kind)), None)


def read_findings(stage: str, document: object) -> Findings:
    """Return what a stage handed on, read from decoded JSON.

    Raises:
        ValueError: there is no such stage, it hands nothing on, or it hands on something else.
    """
    return _class_of(stage).read(document)


@cache
def _class_of(stage: str) -> type[Findings]:
    row = STAGE_ROWS.get(stage)
    if row is None or not row.findings:
        raise ValueError(f"there is no stage {stage} that hands anything on")
    kind: type[Findings] = pkgutil.resolve_name(row.findings)
    return kind
