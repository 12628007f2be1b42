"""The command `photorestore jobs`: pictures that the service fetches, as jobs, and writes where it is told."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import urlsplit, urlunsplit

from tqdm import tqdm

from photorestore_client.arguments import add_options, add_service
from photorestore_client.client import Client
from photorestore_client.errors import Busy, JobCancelled, NotFound, RestoreError, problem
from photorestore_client.given import INTERRUPTED, USAGE, api_key_of, exit_code_of, options_of
from photorestore_client.options import Options
from photorestore_client.orders import MOST_ORDERS, Order, check_psf
from photorestore_client.plan import RESULT_SUFFIXES
from photorestore_client.progress import describe
from photorestore_client.results import Job
from photorestore_client.tries import Timeouts

LOOK_EVERY_S = 2.0
BUCKETS = ("s3://", "gs://")
"""What places in buckets begin with; their keys are meant letter by letter, `?` and `#` included."""
USUAL = "jpeg"
"""Format of results in a folder."""


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; return the exit code.

    Raises:
        SystemExit: wrong usage, and `--help`.
    """
    given = _make_parser().parse_args(arguments)
    try:
        options = options_of(given, _format_of(given))
        check_psf(options)
        orders = [Order(source, result) for source, result in _planned(given)]
        with Client(
            given.url, api_key=api_key_of(given), timeouts=Timeouts(total_s=given.patience)
        ) as client:
            return _Run(client, orders, options, is_awaited=not given.no_wait).run()
    except (ValueError, OSError) as error:
        print(f"photorestore: {error}", file=sys.stderr)
        return USAGE
    except RestoreError as error:
        print(f"photorestore: {describe(error)}", file=sys.stderr)
        return exit_code_of([error])
    except KeyboardInterrupt:
        print("the jobs go on in the service", file=sys.stderr)
        return INTERRUPTED + signal.SIGINT


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="photorestore jobs",
        description="Restore pictures that the service fetches, as jobs, and whose results it writes.",
        epilog="Places are URLs of s3://, gs:// or https://, as far as the service's operator allows them.",
    )
    parser.add_argument("sources", nargs="+", metavar="URL", help="where a picture lies")
    parser.add_argument(
        "-o",
        "--output",
        metavar="URL",
        help="where the result goes; of several, or with / at its end, the folder of them; by default only the service "
        "keeps them",
    )
    parser.add_argument("--no-wait", action="store_true", help="print the jobs' ids and end")
    add_service(parser)
    add_options(parser)
    return parser


def _is_folder(given: argparse.Namespace) -> bool:
    return given.output is not None and (len(given.sources) > 1 or given.output.endswith("/"))


def _format_of(given: argparse.Namespace) -> str | None:
    """Return the format that is given, or that the name of the result stands for; None for the service's default."""
    if given.format is not None or given.output is None:
        return given.format
    if _is_folder(given):
        return USUAL
    path = _path(given.output).lower()
    return next((name for name, suffixes in RESULT_SUFFIXES.items() if path.endswith(suffixes)), None)


def _planned(given: argparse.Namespace) -> list[tuple[str, str | None]]:
    """Return the pictures, each with the place of its result.

    Raises:
        ValueError: two would have the same place, or one has no name.
    """
    if given.output is None:
        return [(source, None) for source in given.sources]
    if not _is_folder(given):
        return [(given.sources[0], given.output)]
    folder, suffixes = given.output.rstrip("/"), RESULT_SUFFIXES[given.format or USUAL]
    planned: dict[str, str] = {}
    for source in given.sources:
        name = PurePosixPath(_path(source)).name
        if not name:
            raise ValueError(f"{_shown(source)} has no name of a file at its end")
        result = f"{folder}/{name if name.lower().endswith(suffixes) else name + suffixes[0]}"
        if result in planned:
            raise ValueError(f"{_shown(planned[result])} and {_shown(source)} would both become {result}")
        planned[result] = source
    return [(source, result) for result, source in planned.items()]


@dataclass(slots=True)
class _Run:
    """Submits the jobs, as many as the service has room for, and follows them."""

    client: Client
    waiting: list[Order]
    options: Options
    is_awaited: bool
    _open: dict[str, tuple[Order, Job]] = field(default_factory=dict)
    _errors: list[Exception] = field(default_factory=list)

    def run(self) -> int:
        """Return the exit code."""
        total, is_shown = len(self.waiting), self.is_awaited and sys.stderr.isatty()
        with tqdm(total=total, unit="job", file=sys.stderr, dynamic_ncols=True, disable=not is_shown) as bar:
            while True:
                self._submit()
                if not self.is_awaited:
                    break
                self._look()
                bar.set_postfix_str(self._left(), refresh=False)
                bar.update(total - len(self.waiting) - len(self._open) - bar.n)
                if not self.waiting and not self._open:
                    break
                time.sleep(LOOK_EVERY_S)
        for order, job in self._open.values():
            print(f"{job.id} {_shown(order.source)}")
        return exit_code_of(self._errors, one=total == 1)

    def _submit(self) -> None:
        """Submit what waits; what the service has no room for waits on, if anybody does."""
        busy: list[Order] = []
        for start in range(0, len(self.waiting), MOST_ORDERS):
            orders = self.waiting[start : start + MOST_ORDERS]
            for order, found in zip(orders, self.client.submit_all(orders, **self.options), strict=True):
                if isinstance(found, Job):
                    self._open[found.id] = order, found
                elif isinstance(found, Busy) and self.is_awaited:
                    busy.append(order)
                else:
                    self._fail(order, found)
            if busy:
                busy += self.waiting[start + MOST_ORDERS :]
                break
        self.waiting = busy

    def _look(self) -> None:
        """Ask for the open jobs, and say which have ended."""
        for name, (order, _) in list(self._open.items()):
            try:
                job = self.client.job(name)
            except NotFound as error:  # somebody has deleted it: no matter to the others
                del self._open[name]
                self._fail(order, error)
                continue
            self._open[name] = order, job
            if not job.ended:
                continue
            del self._open[name]
            if job.state == "succeeded":
                print(f"{_shown(order.source)} -> {_shown(order.result or f'job {name}')}", flush=True)
            elif job.problem is not None:
                self._fail(order, problem(job.problem, request_id=job.request_id))
            else:
                self._fail(order, JobCancelled("the job has been cancelled", request_id=job.request_id))

    def _left(self) -> str:
        """Say how long the open jobs still take, as far as the service can tell."""
        known = [job.seconds_left for _, job in self._open.values() if job.seconds_left is not None]
        return f"about {max(known):.0f} s left" if known and not self.waiting else ""

    def _fail(self, order: Order, error: Exception) -> None:
        self._errors.append(error)
        print(f"{_shown(order.source)}: {describe(error)}", file=sys.stderr)


def _path(url: str) -> str:
    """Return the path of a place, or its key in a bucket."""
    return url.partition("://")[2].partition("/")[2] if url.startswith(BUCKETS) else urlsplit(url).path


def _shown(url: str) -> str:
    """Return a place without its query, in which a presigned URL has its signature."""
    if url.startswith(BUCKETS):
        return url
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))
