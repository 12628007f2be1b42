"""Load what the worker of an archive needs: in the worker, or in the process that it is forked from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from photorestore.errors import BrokenArtifact
from photorestore.networks.weights import share_networks
from photorestore.options import STAGES
from photorestore.pipeline import load_stage
from photorestore.records import read_record
from photorestore.serving.management import WHOLE
from photorestore.stages.base import Stage, StageConfig
from photorestore.tiers import check_tier

OURS = "photorestore"
"""Key of our settings in `model-config.yaml`."""
WORKSPACE = "workspace"
"""The setting that names the folder of all workspaces; the others are those of `StageConfig`."""

ModelConfig = Mapping[str, object]
"""An archive's `model-config.yaml`."""


def share(stage: str, model_config: ModelConfig, weights: Path) -> None:
    """Load what the worker of an archive loads, for processes that are forked from this one.

    Args:
        weights: the archive's folder `weights/`, which may be deleted afterwards.

    Raises:
        BrokenArtifact: see `load_stages`.
    """
    share_networks()
    load_stages(stage, model_config, weights, torch.device("cpu"))


def load_stages(
    stage: str, model_config: ModelConfig, weights: Path, device: torch.device
) -> dict[str, Stage]:
    """Load a stage, and those before and behind it that it runs when it answers alone; by name, in order.

    For `WHOLE` it loads all.

    Raises:
        BrokenArtifact: weights or `model-config.yaml` are not what they should be.
    """
    settings = {name: value for name, value in _settings(model_config).items() if name != WORKSPACE}
    try:
        config = read_record(StageConfig, settings)
        check_tier(config.tier)
    except ValueError as error:
        raise BrokenArtifact(f"model-config.yaml: {OURS}: {error}") from error
    names = STAGES if stage == WHOLE else dict.fromkeys(("preprocess", stage, "deliver"))
    return {name: load_stage(name, config, weights, device) for name in names}


def configured_workspace(model_config: ModelConfig) -> str | None:
    """Return the folder of all workspaces that an archive names.

    Raises:
        BrokenArtifact: `model-config.yaml` is not what it should be.
    """
    named = _settings(model_config).get(WORKSPACE)
    return None if named is None else str(named)


def _settings(model_config: ModelConfig) -> Mapping[str, object]:
    settings = model_config.get(OURS) or {}
    if not isinstance(settings, dict):
        raise BrokenArtifact(f"model-config.yaml: {OURS} is {settings!r}")
    return settings
