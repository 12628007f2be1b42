"""`photorestore import`: the command line that takes in networks from elsewhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from photorestore.errors import BrokenArtifact
from photorestore.network_words import LONGEST, is_name, name_from
from photorestore.networks.weights import default_root
from photorestore.options import NETWORK_STAGES
from photorestore_import.card import NOT_STATED
from photorestore_import.reading import Refused
from photorestore_import.taking import Wanted, take

DONE, REFUSED, USAGE, CANNOT = 0, 1, 2, 4
"""Exit codes, those of the client's command line."""

EPILOG = """\
examples:
  photorestore import 4x-sharp.pth --stage upscale --name sharp-x4 --licence CC-BY-4.0
  photorestore import old-film.safetensors --stage denoise

The architecture is told from the weights. How the network may be run is measured, which takes from seconds to many
minutes, and written beside the weights as a card. Archives that are built from then on hold it; workers need spandrel,
too. More: docs/imported.md.

exit codes: 0 taken in, 1 refused, 2 wrong usage, 4 weights or card cannot be written
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="photorestore import",
        description="Take in a network from elsewhere, which callers may then choose by the option networks.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="weights: .safetensors, or .pth without code")
    parser.add_argument("--stage", required=True, choices=NETWORK_STAGES, help="in which it is to work")
    parser.add_argument("--name", help=f"up to {LONGEST} of a-z, 0-9 and -; by default made of the file's")
    parser.add_argument("--licence", default=NOT_STATED, metavar="TEXT", help="under which the weights come")
    parser.add_argument("--sha256", metavar="HEX", help="which the file must have, as its source states it")
    parser.add_argument("--overwrite", action="store_true", help="in place of one of that name")
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="the folder weights/, where it is not beside the package"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code.

    Raises:
        SystemExit: wrong usage, and `--help`.
    """
    parser = make_parser()
    given = parser.parse_args(arguments)
    name = given.name or name_from(given.file.stem)
    if not is_name(name):
        parser.error(f"{name!r} cannot be a name; expected up to {LONGEST} of a-z, 0-9 and -, but not a tier")
    try:
        wanted = Wanted(
            given.file, given.stage, name, given.licence, given.weights or default_root(), given.sha256
        )
        if wanted.target.exists() and not given.overwrite:
            parser.error(f"{wanted.target} is there already")
        print("photorestore import: measuring how it may be run", file=sys.stderr)
        card = take(wanted)
    except Refused as error:
        print(f"photorestore import: refused: {error}", file=sys.stderr)
        return REFUSED
    except (BrokenArtifact, OSError) as error:
        print(f"photorestore import: {error}", file=sys.stderr)
        return CANNOT
    print(f"{card}\n{wanted.target}\n{wanted.card}")
    return DONE
