"""`photorestore bulk`: the command line of bulk work."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from photorestore.errors import InvalidInput
from photorestore_bulk.estimate import SAMPLE, estimate
from photorestore_bulk.ledger import Ledger
from photorestore_bulk.places import Place
from photorestore_bulk.plan import Item, chunks, items_in, items_of
from photorestore_bulk.progress import Progress, duration
from photorestore_bulk.restorer import CANNOT_WRITE, Order

DONE, SOME_FAILED, USAGE, CANNOT = 0, 1, 2, 4
"""Exit codes, those of the client's command line."""
LOOKED_UP = 10_000
"""Items that are looked up in the ledger together."""

EPILOG = """\
examples:
  photorestore bulk photos/ -o restored/
  photorestore bulk s3://album/2009/ -o s3://restored/2009/ --option mode=thorough --option format=png
  photorestore bulk s3://album/ -o s3://restored/ --manifest keys.parquet --address auto

The folder of results has a ledger, photorestore-ledger/, in Parquet: a row for each picture. Run the same command again
after an interruption, and it goes on where it was. A picture that cannot be restored is a row with a problem.

exit codes: 0 every picture is restored, 1 some have problems, 2 wrong usage, 4 results cannot be written
"""


@dataclass(slots=True)
class Todo:
    """What is left to do, counted.

    Attributes:
        count, size_bytes: of the pictures that are not done.
        done: how many are.
        sample: some of those that are not, each as likely as any other.
    """

    count: int = 0
    size_bytes: int = 0
    done: int = 0
    sample: list[Item] = field(default_factory=list)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="photorestore bulk",
        description="Restore a folder of pictures on this machine or on a Ray cluster, without a service.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="INPUT", help="a folder, s3://, gs://, or a URL that fsspec knows")
    parser.add_argument("-o", "--output", required=True, help="the folder of results, likewise")
    parser.add_argument(
        "--manifest", metavar="FILE", help="Parquet or CSV with the keys below INPUT, and options of each"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the restoration, as in the service's query; format is jpeg by default",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="count, and estimate from a few pictures"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but problems")
    group = parser.add_argument_group("who does it")
    group.add_argument("--address", help="of a Ray cluster, or auto; by default Ray is started here")
    group.add_argument("--actors", type=_count, metavar="N", help="as many as there is room for")
    group.add_argument("--cpus", type=_count, default=1, metavar="N", help="cores of each actor (1)")
    group.add_argument(
        "--gpus", type=float, default=0.0, metavar="X", help="GPUs of each actor (0); .5: two share one"
    )
    group.add_argument(
        "--at-once", type=_count, default=8, metavar="N", help="pictures an actor is given at a time (8)"
    )
    group.add_argument(
        "--weights", type=Path, metavar="DIR", help="the folder weights/, where it is not beside the package"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code.

    Raises:
        SystemExit: wrong usage, and `--help`.
    """
    given = make_parser().parse_args(arguments)
    try:
        return _do(given)
    except (ValueError, InvalidInput) as error:
        print(f"photorestore bulk: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"photorestore bulk: {error}", file=sys.stderr)
        return CANNOT


def _do(given: argparse.Namespace) -> int:
    source, output = Place.of(given.source), Place.of(given.output)
    if source.base == output.base and source.filesystem.equals(output.filesystem):
        raise ValueError("the results need a folder of their own, which may lie in that of the pictures")
    items = _items(given, source, output)
    ledger = Ledger.of(output)
    ledger.merge()
    done = ledger.done()
    todo = count(items(), done)
    if not given.quiet or given.dry_run:
        print(
            f"{todo.count} pictures to restore, {todo.size_bytes / 1e6:.1f} MB; {todo.done} are done",
            flush=True,
        )
    if not todo.count:
        return DONE
    order = Order(given.source, given.output, given.cpus, "cuda" if given.gpus else "cpu", given.weights)
    if given.dry_run:
        return _estimate(given, todo, order)
    return _run(given, left(items(), done), todo, order)


def _items(given: argparse.Namespace, source: Place, output: Place) -> Callable[[], Iterator[Item]]:
    """Return what yields all items, done or not, as often as it is called."""
    pairs = [text.partition("=") for text in given.option]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise ValueError(f"--option is NAME=VALUE, not {', '.join(wrong)}")
    options: dict[str, object] = {
        ("timeout_s" if name == "timeout" else name): value for name, _, value in pairs
    }
    if given.manifest is None:
        return lambda: items_in(source, output, options)
    folder, _, name = given.manifest.rpartition("/")
    manifest = Place.of(folder or ("." if not given.manifest.startswith("/") else "/")).read(name)
    return lambda: items_of(manifest, name, source, options)


def count(items: Iterator[Item], done: npt.NDArray[np.uint64]) -> Todo:
    """Count what is to be done."""
    todo, rng = Todo(), random.Random(0)  # noqa: S311 - no secret
    for chunk in chunks(items, LOOKED_UP):
        undone = list(left(iter(chunk), done))
        todo.done += len(chunk) - len(undone)
        for item in undone:
            todo.count += 1
            todo.size_bytes += max(0, item.size_bytes)
            if len(todo.sample) < SAMPLE:
                todo.sample.append(item)
            elif (place := rng.randrange(todo.count)) < SAMPLE:
                todo.sample[place] = item
    return todo


def left(items: Iterator[Item], done: npt.NDArray[np.uint64]) -> Iterator[Item]:
    """Yield the items that are not done.

    Args:
        done: the `work` of those that are, in order.
    """
    for chunk in chunks(items, LOOKED_UP):
        works = np.array([item.work for item in chunk], np.uint64)
        known = np.isin(works, done, assume_unique=True)
        yield from (item for item, is_done in zip(chunk, known, strict=True) if not is_done)


def _estimate(given: argparse.Namespace, todo: Todo, order: Order) -> int:
    torch.set_num_threads(given.cpus)
    found = estimate(todo.sample, todo.size_bytes, order)
    if found is None:
        print("none of the pictures that were tried can be restored, so the time cannot be told")
        return DONE
    actors, rate = _actors(given), found.megapixels / found.seconds
    print(
        f"about {found.megapixels:.1f} megapixels, {rate:.2f} a second for an actor; "
        f"{duration(found.seconds / actors)} with {actors} actors, when they have started"
    )
    return DONE


def _run(given: argparse.Namespace, items: Iterator[Item], todo: Todo, order: Order) -> int:
    from photorestore_bulk import engine  # noqa: PLC0415 - Ray takes seconds to import, and not every run needs it

    crew = engine.Crew(_actors(given), given.cpus, given.gpus, given.at_once)
    progress = Progress(todo.count, todo.size_bytes, quiet=given.quiet)
    with engine.cluster(given.address, crew), progress:
        for row in engine.run(items, order, crew):
            progress.add(row)
            if row["problem"] == CANNOT_WRITE:
                return CANNOT
    progress.end()
    return SOME_FAILED if progress.problems else DONE


def _actors(given: argparse.Namespace) -> int:
    if given.actors is not None:
        return int(given.actors)
    from photorestore_bulk import engine  # noqa: PLC0415

    return engine.default_actors(given.address, given.cpus, given.gpus)


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, not {text}")
    return number
