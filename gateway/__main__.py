"""The REST edge.

    python -m gateway serve [--help]     serve HTTP in front of a TorchServe that runs on this machine
    python -m gateway key NAME           print a new API key, and, on the second line, its line for the file of keys

On SIGTERM `/readyz` answers 503 at once, the port closes after `--drain-delay-s`, and requests in flight are answered.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gateway.app import create_app, create_server
from gateway.command_line import parse
from gateway.http.keys import key_line, make_key
from gateway.telemetry.logs import log_to_stderr
from gateway.telemetry.tracing import Tracing
from photorestore.allocator import give_freed_memory_back


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    match words:
        case ["serve", *options]:
            return _serve(options)
        case ["key", name] if name.split() == [name] and name.isprintable():
            key = make_key()
            print(f"key, shown only once: {key}\n{key_line(name, key)}")
            return 0
    print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
    return 2


def _serve(options: Sequence[str]) -> int:
    log_to_stderr()
    give_freed_memory_back()
    try:
        settings = parse(options, os.environ)
        app = create_app(settings, tracing=Tracing.of(os.environ))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    create_server(app).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
