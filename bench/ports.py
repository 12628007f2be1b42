"""Find free ports for services of the bench's own."""

from __future__ import annotations

import contextlib
import os
import socket


def free_ports(count: int) -> int:
    """Return the first of some consecutive ports of this machine that nobody listens on.

    Raises:
        RuntimeError: there are none.
    """
    for base in range(20_000 + os.getpid() % 10_000, 60_000, count):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise RuntimeError("no free ports")
