"""Configurations of the training scripts: the fields that all share, and how they are read."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The part of a training run's configuration that `Run` reads; each script adds what only it needs."""

    tier: str  # name of the weights' tier
    batch_size: int
    total_steps: int
    learning_rate: float
    final_learning_rate: float
    ema_decay: float
    seed: int
    warm_up: int = field(default=100, kw_only=True)  # steps until the learning rate is whole


def read_config(cls: type[Config], file: Path, *, table: str | None = None) -> Config:
    """Read a TOML file, or one table of it, into a frozen dataclass.

    Raises:
        ValueError: unknown or missing keys, all named at once.
    """
    values = tomllib.loads(file.read_text())
    if table is not None:
        values = values[table]
    required = {each.name: each.default is MISSING for each in dataclasses.fields(cls)}
    problems = [f"unknown key {key}" for key in sorted(values.keys() - required.keys())]
    problems += [f"missing key {key}" for key in sorted(required) if required[key] and key not in values]
    if problems:
        raise ValueError(f"{file}: {', '.join(problems)}")
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return cls(**frozen)
