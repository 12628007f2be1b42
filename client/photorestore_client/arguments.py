"""The arguments of the command line."""

from __future__ import annotations

import argparse
import os
import threading
from importlib.metadata import version
from pathlib import Path

from photorestore_client.plan import RESULT_SUFFIXES

EPILOG = """\
examples:
  photorestore old.jpg -o restored.jpg
  photorestore photos/ -o restored/ --jobs 8 --format png
  curl https://example.org/old.jpg | photorestore - -o - > restored.jpg
  photorestore jobs s3://album/a.jpg s3://album/b.jpg -o s3://restored/     the service fetches and writes them
  photorestore --watch-throughput --every 5
  photorestore bulk s3://album/ -o s3://restored/     without a service: pip install photorestore[bulk]
  photorestore import old-film.pth --stage denoise    a network from elsewhere: pip install photorestore[import]

A folder of results has a ledger, .photorestore.sqlite: run the same command again after an interruption, and it goes
on where it was; a picture that has been restored with the same options is not restored again. Files that were not
made here are never replaced, unless --overwrite says so; sources never are. Pictures are found in folders by their
first bytes or their suffix; all else is left out, counted and named. The first Ctrl-C lets the pictures in
flight finish, the second does not; both are safe.

environment: PHOTORESTORE_URL stands for --url, PHOTORESTORE_API_KEY holds the API key.

exit codes:
  0  every picture is restored
  1  some pictures could not be restored, or files were left out and --strict is given; the others are restored
  2  wrong usage, also an option that the service refuses
  3  the service cannot be reached, has no room, or refuses the API key
  4  results cannot be written
  130, 143  interrupted by Ctrl-C or SIGTERM
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="photorestore",
        description="Restore old photographs with a photorestore service.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs",
        nargs="*",
        type=Path,
        metavar="INPUT",
        help="a picture, or a folder of them; - is standard input",
    )
    parser.add_argument(
        "-o", "--output", help="a file for one picture, or - for standard output; a folder for all else"
    )
    parser.add_argument("-j", "--jobs", type=_count, default=4, metavar="N", help="pictures at a time (4)")
    parser.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but failures")
    parser.add_argument("--overwrite", action="store_true", help="also replace files that were not made here")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if any file was left out")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('photorestore-client')}")
    add_service(parser)
    _add_pictures(add_options(parser))
    _add_watch(parser)
    return parser


def add_service(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where the service is."""
    group = parser.add_argument_group("service")
    url = os.environ.get("PHOTORESTORE_URL", "http://127.0.0.1:8000")
    group.add_argument("--url", default=url, help="where it listens (http://127.0.0.1:8000)")
    group.add_argument("--api-key-file", type=Path, metavar="FILE", help="holds the API key")
    group.add_argument(
        "--patience",
        type=_seconds,
        default=600.0,
        metavar="S",
        help="seconds for a picture, with all tries (600)",
    )


def add_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options of the restoration, all of which can be sent as text; return their group."""
    group = parser.add_argument_group(
        "options of the restoration", "What is left out is the service's default."
    )
    group.add_argument(
        "--mode",
        choices=("auto", "gentle", "thorough"),
        help="gentle: only what is beyond doubt; thorough: the whole chain at full strength; auto: thorough for old "
        "and damaged prints, gentle for other photographs, line art and text untouched",
    )
    group.add_argument("--preset", metavar="NAME", help="options that the service's operator has named")
    group.add_argument(
        "--stages", type=_names, metavar="A,B", help="these work, all others pass, whatever the mode"
    )
    group.add_argument(
        "--strength", type=_strength, metavar="X", help="0 (as it is) to 1, or by stage: denoise:0.5,face:0"
    )
    group.add_argument("--sigma-255", type=float, metavar="X", help="noise level in 8-bit units, if known")
    group.add_argument("--normalise", action="store_true", default=None, help="correct cast and fading first")
    _add_methods(group)
    _add_delivery(group)
    return group


def _add_pictures(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--mask", type=Path, metavar="FILE", help="for one picture: what is white in it is filled"
    )
    group.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="for one picture: a photograph whose colours it is to get",
    )
    group.add_argument(
        "--confidence",
        type=Path,
        metavar="FILE",
        help="for one picture: also write a grey PNG of how sure its new colours are: white where a hint or a "
        "reference tells them, at most half as bright where they are guessed",
    )


def _add_methods(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--denoise-method",
        choices=("network", "l0tv", "poisson-tv", "csf", "ksvd", "kriging", "bm3d", "dip"),
        help="by which noise is removed (network)",
    )
    group.add_argument("--translate-method", choices=("network", "dip"), help="by which damage is filled")
    group.add_argument(
        "--psf",
        type=_psf,
        metavar="BLUR",
        help="the blur to undo: motion:15,30, gaussian:1.6 or defocus:4, in px and degrees; estimate; or a file with a "
        "picture of it",
    )
    group.add_argument(
        "--deblur-method",
        choices=("auto", "hqs", "hqs-csf", "wiener", "richardson-lucy", "network"),
        help="by which it is undone (hqs with --psf; else hqs-csf where an estimate can be trusted, else network)",
    )
    group.add_argument(
        "--weather-method",
        choices=("network", "haze-network", "dark-channel"),
        help="by which weather is taken out: network (rain and snow, with --stages weather), or haze-network or "
        "dark-channel (haze)",
    )
    group.add_argument(
        "--colorize",
        choices=("learned", "exemplar", "transfer"),
        help="give colours: invented ones, or those of a reference",
    )
    group.add_argument(
        "--hints", metavar="POINTS", help="colours that are known: 120,80,#aa3311;40,200,#336699"
    )


def _add_delivery(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--scale", type=int, metavar="N", help="enlargement: 1, 2 or 4")
    group.add_argument("--upscale-method", choices=("network", "dip"), help="by which it is enlarged")
    group.add_argument("--tier", choices=("auto", "fast", "quality"), help="which networks work")
    group.add_argument("--networks", metavar="NAMES", help="imported ones: denoise:old-film,upscale:sharp-x4")
    group.add_argument(
        "--format", choices=RESULT_SUFFIXES, help="by default that of the output's name, or jpeg"
    )
    group.add_argument("--quality", type=int, metavar="N", help="1 to 100, for lossy formats")
    group.add_argument("--metadata", choices=("keep", "strip", "no-gps"), help="EXIF and XMP")
    group.add_argument("--colour", choices=("srgb", "source"), help="the result's colour space")
    group.add_argument("--timeout", type=float, metavar="S", help="seconds that the service may take for one")


def _add_watch(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the service gets done")
    group.add_argument("--watch-throughput", action="store_true", help="print it again and again")
    group.add_argument(
        "--every", type=_seconds, default=2.0, metavar="S", help="seconds between two lines (2)"
    )
    group.add_argument("--count", type=_count, metavar="N", help="end after so many lines")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _psf(text: str) -> str | Path:
    file = Path(text)
    return file if file.is_file() else text


def _strength(text: str) -> float | dict[str, float]:
    if ":" not in text:
        return float(text)
    parts = (part.partition(":") for part in text.split(","))
    return {stage.strip(): float(share) for stage, _, share in parts}


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, not {text}")
    return count


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text}")
    return seconds
