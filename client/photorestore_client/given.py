"""What was given on the command line, and the exit codes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import cast

from photorestore_client.errors import BadOption, Busy, Denied, Unreachable
from photorestore_client.ledger import CannotWriteError
from photorestore_client.options import Options

DONE, SOME_FAILED, USAGE, NO_SERVICE, CANNOT_WRITE, INTERRUPTED = 0, 1, 2, 3, 4, 128
"""Exit codes; the number of the signal is added to the last one."""


def options_of(given: argparse.Namespace, image_format: str | None) -> Options:
    """Return the options of the restoration."""
    names = [name for name in Options.__annotations__ if name != "format"]
    values = {name: value for name in names if (value := getattr(given, name)) is not None}
    return cast("Options", values if image_format is None else {**values, "format": image_format})


def api_key_of(given: argparse.Namespace) -> str | None:
    """Return the API key, if one is given.

    Raises:
        OSError: its file cannot be read.
    """
    if given.api_key_file is not None:
        return str(given.api_key_file.read_text().strip())
    return os.environ.get("PHOTORESTORE_API_KEY") or None


def exit_code_of(errors: Sequence[Exception], *, one: bool = True) -> int:
    """Return the exit code after errors.

    Args:
        one: whether there was one picture, whose error of an option is wrong usage.
    """
    if any(isinstance(error, CannotWriteError) for error in errors):
        return CANNOT_WRITE
    if any(isinstance(error, Unreachable | Busy | Denied) for error in errors):
        return NO_SERVICE
    if one and any(isinstance(error, BadOption) for error in errors):
        return USAGE
    return SOME_FAILED if errors else DONE
