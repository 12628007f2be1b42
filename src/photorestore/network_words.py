"""Read and write in words which networks from elsewhere work in stages: `denoise:old-film,upscale:sharp-x4`.

Their names are those of their weights, `weights/<stage>/<stage>.<name>.safetensors`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from photorestore.methods import NETWORK

LONGEST = 40
NAME = r"[a-z0-9][a-z0-9-]{0,39}"
OWN = ("auto", "fast", "quality")
"""Names that tell sizes of networks of ours."""

_NAME = re.compile(NAME)


def is_name(text: str) -> bool:
    """Return whether a network from elsewhere may be called so."""
    return _NAME.fullmatch(text) is not None and text not in OWN


def name_from(text: str) -> str:
    """Return a name made of any text, such as that of a file; empty where nothing of it can be in one."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST].strip("-")


def parse(text: str, stages: Collection[str]) -> dict[str, str] | None:
    """Return names by stage; None if the text is none of these words, or tells of a stage twice or of others."""
    parts = [part.strip().partition(":") for part in text.lower().split(",")]
    found = {stage.strip(): name.strip() for stage, _, name in parts}
    is_right = len(found) == len(parts) and found.keys() <= set(stages) and all(map(is_name, found.values()))
    return found if is_right else None


def written(names: Mapping[str, str]) -> str:
    """Return names by stage as one text, always in the same order."""
    return ",".join(f"{stage}:{names[stage]}" for stage in sorted(names))


def clashes(names: Mapping[str, str], passing: Collection[str], methods: Mapping[str, str]) -> list[str]:
    """Return what does not go with networks that are asked for, of options that are right by themselves.

    Args:
        names: by stage.
        passing: the stages that `stages` leaves out.
        methods: by stage, those that are asked for.
    """
    left_out = [
        f"networks names {names[stage]} for {stage}, but stages leaves it out"
        for stage in names
        if stage in passing
    ]
    return left_out + [
        f"networks names {names[stage]} for {stage}, but {stage}_method is {methods[stage]!r}"
        for stage in names
        if methods[stage] != NETWORK
    ]


def pattern(stages: Collection[str]) -> str:
    """Return a regular expression of the texts, for schemas."""
    part = f"({'|'.join(stages)}):{NAME}"
    return f"^{part}(,{part})*$"
