"""Options in the query; `photorestore.options` says what is allowed."""

from __future__ import annotations

import functools
from typing import Any

from photorestore.errors import UnsupportedOption
from photorestore.kinds import Word
from photorestore.options import Options, describe

RETURNS = ("image", "mask", "report", "bundle")
"""What `return` may ask for."""
RETURN = Word(RETURNS)
FINDING: dict[str, Any] = {"strength": 0.0, "scale": 1}
"""Options by which every stage looks for what is wrong, and none changes anything."""
NAMES = {"timeout_s": "timeout"}
"""Options that have another name in the query."""
_KNOWN = {"return", *(NAMES.get(name, name) for name in describe())}


@functools.lru_cache(maxsize=256)
def parse_query(pairs: tuple[tuple[str, str], ...]) -> tuple[Options, str]:
    """Return options, and what is to be returned, one of `RETURNS`.

    Lists are separated by commas, or given by repeating the name.

    Raises:
        UnsupportedOption: unknown names, some given twice, or values out of range; all of them are named at once.
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
        UnsupportedOption: none of them.
    """
    returned = RETURN.read(text)
    if returned not in RETURNS:
        raise UnsupportedOption(f"return is {text!r}; expected {RETURN.expected}")
    return str(returned)
