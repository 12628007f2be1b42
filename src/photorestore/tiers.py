"""Find which tiers a stage's networks have, and choose the one that works.

No torch here: the REST edge imports this module.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from photorestore.errors import UnavailableNetwork, UnavailableTier
from photorestore.network_words import is_name
from photorestore.options import AUTO, NETWORK_STAGES, TIERS, Options
from photorestore.stage_table import NETWORK_ROWS

SHARED_NETWORKS = frozenset(network.name for network in NETWORK_ROWS if not network.has_tiers)
"""Networks that come in one tier, which serves all tiers of their stage."""


def available_tiers(folder: Path) -> tuple[str, ...]:
    """Return the tiers for which each of a stage's networks has weights in the stage's folder."""
    found = {tuple(file.name.split(".")[:2]) for file in folder.glob("*.safetensors")}
    networks = {network for network, _ in found} - SHARED_NETWORKS
    return tuple(tier for tier in TIERS if networks and all((name, tier) in found for name in networks))


def imported_networks(folder: Path) -> tuple[str, ...]:
    """Return the names of the networks from elsewhere whose weights lie in a stage's folder."""
    if folder.name not in NETWORK_STAGES:
        return ()
    names = [file.name.split(".")[1] for file in folder.glob(f"{folder.name}.*.safetensors")]
    return tuple(sorted(filter(is_name, names)))


def has_one_tier(folder: Path) -> bool:
    """Return whether all networks of a stage are shared by the tiers, so that there is nothing to choose."""
    networks = {file.name.split(".")[0] for file in folder.glob("*.safetensors")}
    return bool(networks) and networks <= SHARED_NETWORKS


def choose_tier(configured: str, available: Collection[str], device_type: str) -> str:
    """Choose the tier that works where nobody asks for one: on a GPU `quality` where it is there, else `fast`.

    Args:
        configured: `AUTO`, or the tier itself.
        device_type: `cpu` or `cuda`.
    """
    if configured != AUTO:
        return configured
    return "quality" if device_type == "cuda" and "quality" in available else "fast"


def check_tier(configured: str) -> None:
    """Check the tier of a configuration, which names no network from elsewhere.

    Raises:
        ValueError: there is no such tier.
    """
    if configured not in (AUTO, *TIERS):
        raise ValueError(f"tier is {configured!r}; expected {', '.join((AUTO, *TIERS))}")


def require_tier(options: Options, available: Mapping[str, Collection[str]]) -> None:
    """Check that all stages that may work have the tier that was asked for.

    Args:
        available: tiers by stage; a stage that is not named is not checked.

    Raises:
        UnavailableTier: not all have it; says which tiers they have.
    """
    if options.tier == AUTO:
        return
    lacking = [
        f"{stage} has {', '.join(tiers) or 'none'}"
        for stage, tiers in available.items()
        if options.may_work(stage) and options.tier not in tiers
    ]
    if lacking:
        raise UnavailableTier(
            f"tier is {options.tier!r}; expected {AUTO}, or a tier of all stages that may work: {'; '.join(lacking)}"
        )


def require_networks(options: Options, available: Mapping[str, Collection[str]]) -> None:
    """Check that the networks from elsewhere that were asked for are there.

    Args:
        available: names by stage; a stage that is not named is not checked.

    Raises:
        UnavailableNetwork: one is not; says which there are.
    """
    lacking = [
        f"{name} for {stage}, which has {', '.join(names) or 'none'}"
        for stage, names in available.items()
        if (name := options.network_of(stage)) is not None and name not in names
    ]
    if lacking:
        raise UnavailableNetwork(f"networks names {'; '.join(lacking)}")
