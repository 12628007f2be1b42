"""The actions of the command line."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType

from photorestore_client import jobs_command, single
from photorestore_client.arguments import make_parser
from photorestore_client.bulk import Did, Run
from photorestore_client.client import Client
from photorestore_client.errors import Problem, RestoreError, Unreachable
from photorestore_client.given import (
    CANNOT_WRITE,
    DONE,
    INTERRUPTED,
    NO_SERVICE,
    SOME_FAILED,
    USAGE,
    api_key_of,
    exit_code_of,
    options_of,
)
from photorestore_client.ledger import CannotWriteError, Ledger, LedgerError
from photorestore_client.plan import Plan, format_of, plan
from photorestore_client.progress import Progress, describe, shown
from photorestore_client.throughput import watch
from photorestore_client.tries import Timeouts

COMMANDS = "photorestore.commands"
"""Entry points by which other packages add commands, whose name is the first argument; `./bulk` is always a file."""
JOBS = "jobs"
"""The command for pictures that the service fetches; `./jobs` is always a file."""
STREAM = "-"
"""Stands for standard input, and for standard output."""
STREAM_PATH = Path(STREAM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code.

    Where the first one is the name of a command that another package has added, the others are handed to that.

    Raises:
        SystemExit: wrong usage, `--help` and `--version`.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and (further := entry_points(group=COMMANDS, name=arguments[0])):
        return int(further[arguments[0]].load()(arguments[1:]))
    if arguments and arguments[0] == JOBS:
        return jobs_command.main(arguments[1:])
    parser = make_parser()
    given = parser.parse_args(arguments)
    _check(parser, given)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be valid text
    try:
        with Client(
            given.url,
            api_key=api_key_of(given),
            timeouts=Timeouts(total_s=given.patience),
            connections=given.jobs,
        ) as client:
            return _do(given, client)
    except (ValueError, LedgerError, OSError) as error:
        print(f"photorestore: {error}", file=sys.stderr)
        return USAGE
    except CannotWriteError as error:
        print(f"photorestore: {error}", file=sys.stderr)
        return CANNOT_WRITE
    except KeyboardInterrupt:
        return INTERRUPTED + signal.SIGINT


def _check(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Exit with code 2 if arguments do not fit together."""
    if given.watch_throughput:
        if given.inputs:
            parser.error("--watch-throughput takes no INPUT")
        return
    if not given.inputs:
        parser.error("name a picture or a folder")
    if given.output is None:
        parser.error("say with -o where the results go")
    if (given.output == STREAM or STREAM_PATH in given.inputs) and not _is_one_file(given):
        parser.error(f"{STREAM} stands for one picture, whose result goes to one file or to {STREAM}")
    for name in ("mask", "reference", "confidence"):
        if getattr(given, name) is not None and not _is_one_file(given):
            parser.error(f"--{name} is for one picture and one file as the output")
    if given.confidence and not (given.colorize or given.hints or given.preset):
        parser.error("--confidence is of new colours: say with --colorize or --hints which")


def _do(given: argparse.Namespace, client: Client) -> int:
    if given.watch_throughput:
        return _watch(given, client)
    return _restore_one(given, client) if _is_one_file(given) else _restore_many(given, client)


def _is_one_file(given: argparse.Namespace) -> bool:
    """Return whether one file is to become one file; an output that ends with a slash is a folder."""
    folder = given.output.endswith(os.sep) or Path(given.output).is_dir()
    return len(given.inputs) == 1 and not given.inputs[0].is_dir() and not folder


def _restore_one(given: argparse.Namespace, client: Client) -> int:
    source, target = given.inputs[0], Path(given.output)
    if given.output == STREAM:
        options = options_of(given, given.format)
    else:
        if target.exists() and (_is_same(target, source) or not given.overwrite):
            raise ValueError(f"{target} is there already")
        options = options_of(given, given.format or format_of(target))
    single.check_beside(given)
    if source != STREAM_PATH:
        source.stat()
    if given.dry_run:
        print(f"restore {shown(source)} -> {shown(target)}")
        return DONE
    try:
        picture = sys.stdin.buffer if source == STREAM_PATH else source
        restored, confidence = single.restore(client, picture, given, options)
    except (RestoreError, OSError) as error:
        print(f"{shown(source)}: {describe(error)}", file=sys.stderr)
        return exit_code_of([error])
    try:
        restored.save(sys.stdout.buffer if given.output == STREAM else target)
        if confidence is not None:
            confidence.save(given.confidence)
        sys.stdout.flush()
    except OSError as error:
        print(f"photorestore: {error}", file=sys.stderr)
        return CANNOT_WRITE
    return DONE


def _is_same(target: Path, source: Path) -> bool:
    return source != STREAM_PATH and target.samefile(source)


def _restore_many(given: argparse.Namespace, client: Client) -> int:
    folder, image_format = Path(given.output), given.format or "jpeg"
    found = plan(given.inputs, folder, image_format)
    with Ledger(folder, read_only=given.dry_run) as ledger:
        options = options_of(given, image_format)
        run = Run(client, ledger, options, given.jobs, overwrite=given.overwrite, rehearse=given.dry_run)
        if given.dry_run:
            code = _rehearse(run, found)
        else:
            ledger.recover()
            code = _run(run, found, quiet=given.quiet, strict=given.strict)
    if code == DONE and (
        any(entry.has_failed for entry in found.left_out) or (given.strict and found.left_out)
    ):
        return SOME_FAILED
    return code


def _rehearse(run: Run, found: Plan) -> int:
    verbs = {Did.RESTORED: "restore", Did.COPIED: "copy", Did.SKIPPED: "skip", Did.FAILED: "cannot restore"}
    failed = 0
    for outcome in run.outcomes(found.works):
        work, why = outcome.work, "" if outcome.error is None else f": {outcome.error}"
        print(f"{verbs[outcome.did]} {shown(work.source)} -> {shown(run.ledger.folder / work.result)}{why}")
        failed += outcome.did is Did.FAILED
    for entry in found.left_out:
        verb = "cannot restore" if entry.has_failed else "leave out"
        print(f"{verb} {shown(entry.path)}: {entry.why}")
    return SOME_FAILED if failed else DONE


def _run(run: Run, found: Plan, *, quiet: bool, strict: bool) -> int:
    progress, errors = Progress(len(found.works), quiet=quiet), list[Exception]()
    with _stopped_by_signals(run) as signals:
        for outcome in run.outcomes(found.works):
            progress.add(outcome)
            if outcome.error is not None:
                errors.append(outcome.error)
        progress.leave_out(found.left_out, strict=strict)
        progress.close()
    if progress.seen < len(found.works):
        left = len(found.works) - progress.seen
        print(f"{left} pictures were not tried; the same command goes on from here", file=sys.stderr)
    if signals:
        return INTERRUPTED + signals[0]
    if run.wrong_option:
        print(f"photorestore: {run.wrong_option}", file=sys.stderr)
        return USAGE
    return exit_code_of(errors, one=False)


@contextmanager
def _stopped_by_signals(run: Run) -> Iterator[list[int]]:
    """Let the first signal stop the run and be added to the yielded list; a second one ends the process at once."""
    noted: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        noted.append(number)
        run.stop()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        os.write(sys.stderr.fileno(), b"finishing the pictures in flight\n")  # print may be in use right now

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _watch(given: argparse.Namespace, client: Client) -> int:
    try:
        for figures in watch(client.metrics, given.every, given.count):
            print(figures, flush=True)
    except (Problem, Unreachable) as error:
        print(f"photorestore: {describe(error)}", file=sys.stderr)
        return NO_SERVICE
    return DONE
