"""Presets: options that the operator has given a name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from photorestore.errors import UnsupportedOption
from photorestore.options import Options

NAMES = {"timeout_s": "timeout"}
"""Names that callers use for options that are named differently in `Options`."""


@dataclass(frozen=True, slots=True, eq=False)
class Presets:
    """Values of options by the name of their preset. Hashed by identity."""

    by_name: Mapping[str, Mapping[str, object]]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a TOML file with a table for each preset.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no TOML, or a preset holds what no request could ask for.
        """
        try:
            found = tomllib.loads(file.read_text())
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        for name, values in found.items():
            if not isinstance(values, dict):
                raise ValueError(f"{file}: {name} is {values!r}; expected a table of options")  # noqa: TRY004
            try:
                Options.from_mapping(values, NAMES)
            except UnsupportedOption as error:
                raise ValueError(f"{file}: preset {name}: {error}") from error
        return cls(MappingProxyType(found))

    def values_of(self, name: object) -> Mapping[str, object]:
        """Return a preset's values of options; None is the name of none.

        Raises:
            UnsupportedOption: there is no such preset.
        """
        if name is None:
            return {}
        wanted = name.strip() if isinstance(name, str) else ""
        if wanted not in self.by_name:
            there = ", ".join(sorted(self.by_name)) or "none"
            raise UnsupportedOption(f"preset is {name!r}; this service has {there}")
        return self.by_name[wanted]


NO_PRESETS = Presets(MappingProxyType({}))
