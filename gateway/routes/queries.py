"""Options in the query; `photorestore.options` says what is allowed."""

from __future__ import annotations

import functools
import json
from typing import Any

from gateway.restore.returns import RETURNS
from photorestore.errors import UnsupportedOption
from photorestore.options import Options, describe

FINDING: dict[str, Any] = {"strength": 0.0, "scale": 1}
"""Options by which every stage looks for what is wrong, and none changes anything."""
NAMES = {"timeout_s": "timeout"}
"""Options that have another name in the query."""


@functools.lru_cache(maxsize=256)
def parse_query(pairs: tuple[tuple[str, str], ...]) -> tuple[Options, str]:
    """Options, and what is to be returned, one of `RETURNS`.

    Lists are separated by commas, or given by repeating the name.

    Raises:
        UnsupportedOption: unknown names, one given twice, or values out of range.
    """
    texts: dict[str, str] = {}
    for name, text in pairs:
        if name in texts and name != "stages":
            raise UnsupportedOption(f"{name} is given twice")
        texts[name] = f"{texts[name]},{text}" if name in texts else text
    returned = texts.pop("return", "image")
    if returned not in RETURNS:
        raise UnsupportedOption(f"return is {returned!r}; expected one of {', '.join(RETURNS)}")
    return parse_options(texts), returned


def parse_options(texts: dict[str, str]) -> Options:
    """Options from their texts by name in the query.

    Raises:
        UnsupportedOption: unknown names, or values out of range.
    """
    allowed = {NAMES.get(name, name): name for name in describe()}
    if unknown := sorted(texts.keys() - allowed.keys()):
        raise UnsupportedOption(
            f"unknown option {', '.join(unknown)}; there are {', '.join(sorted({*allowed, 'return'}))}"
        )
    try:
        return Options.from_mapping({allowed[name]: _value(name, text) for name, text in texts.items()})
    except UnsupportedOption as error:
        text = str(error)
        for name, shown in NAMES.items():
            text = text.replace(name, shown)
        raise UnsupportedOption(text) from None


def _value(name: str, text: str) -> Any:
    """What a text stands for: lists are separated by commas, a strength for each stage is written `face:0.5`."""
    if name == "stages":
        return [stage.strip() for stage in text.split(",") if stage.strip()]
    if name == "strength" and ":" in text:
        return _by_stage(text)
    return _number(text)


def _by_stage(text: str) -> dict[str, Any]:
    """A strength for each stage, as in `denoise:0.5,face:0`."""
    shares: dict[str, Any] = {}
    for part in text.split(","):
        stage, _, share = (piece.strip() for piece in part.partition(":"))
        if stage in shares:
            raise UnsupportedOption(f"strength of {stage} is given twice")
        shares[stage] = _number(share)
    return shares


def _number(text: str) -> Any:
    """A number, true or false where the text is one; the text itself otherwise."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) else text
