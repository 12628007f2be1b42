"""`python -m photorestore_client IN OUT [--option name=value ...]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from photorestore_client.client import Client
from photorestore_client.errors import RestoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Restore one picture; gives the exit status."""
    given = _parser().parse_args(arguments)
    try:
        with Client(given.url) as client:
            client.restore(given.input, mask=given.mask, **dict(given.option)).save(given.output)
    except (RestoreError, OSError) as error:
        print(f"{given.input}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m photorestore_client", description="Restore a picture.")
    parser.add_argument("input", help="the old picture")
    parser.add_argument("output", help="where the restored picture is written")
    parser.add_argument("--mask", help="a picture of the same size; what is white in it is filled")
    parser.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for example format=png",
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="where the service listens")
    return parser


def _option(text: str) -> tuple[str, Any]:
    """`name=value`; the value is JSON where it can be read as that, else text."""
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    sys.exit(main())
