"""Options in the query of a URL; `photorestore.options` says which values are allowed."""

from __future__ import annotations

import functools
from typing import Any

from gateway.restore.returns import RETURN
from photorestore.errors import UnsupportedOption
from photorestore.options import Options, describe

# Any: `dataclasses.replace` takes fields of several types by name.
FINDING: dict[str, Any] = {"strength": 0.0, "scale": 1}
"""Options with which every stage looks for damage and none changes anything."""
NAMES = {"timeout_s": "timeout"}
"""Names in the query of options that are named differently there."""
_KNOWN = {"return", *(NAMES.get(name, name) for name in describe())}


@functools.lru_cache(maxsize=256)
def parse_query(pairs: tuple[tuple[str, str], ...]) -> tuple[Options, str]:
    """Return the options, and the part of the result to return, one of `RETURNS`.

    Lists are separated by commas, or given by repeating the name.

    Raises:
        UnsupportedOption: names are unknown or given twice, or values are out of range; the message lists all.
    """
    texts: dict[str, str] = {}
    problems: list[str] = []
    for name, text in pairs:
        if name not in texts:
            texts[name] = text
        elif name == "stages":
            texts[name] += f",{text}"
        else:
            problems.append(f"{name} is given twice")
    if unknown := sorted(texts.keys() - _KNOWN):
        problems.append(f"unknown option {', '.join(unknown)}; there are {', '.join(sorted(_KNOWN))}")
    returned = "image"
    try:
        returned = read_return(texts.pop("return", returned))
    except UnsupportedOption as error:
        problems.append(str(error))
    try:
        known = {name: text for name, text in texts.items() if name in _KNOWN}
        options = Options.from_mapping(known, NAMES)
    except UnsupportedOption as error:
        problems.append(str(error))
    if problems:
        raise UnsupportedOption("; ".join(dict.fromkeys(problems)))
    return options, returned


def read_return(text: str) -> str:
    """Return which of `RETURNS` a text stands for.

    Raises:
        UnsupportedOption: it stands for none of them.
    """
    returned = RETURN.read(text)
    if not RETURN.accepts(returned):
        raise UnsupportedOption(f"return is {text!r}; expected {RETURN.expected}")
    return str(returned)
