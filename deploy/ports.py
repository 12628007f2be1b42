"""Find free ports for services that a rehearsal, a bench or a test starts."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

_FIRST, _LAST = 10_000, 32_000
"""The ports lie below those that the kernel gives to clients: one that asks again and again whether a server is there
yet may otherwise be given the server's port as its own, and then keeps it."""
_PLACES = itertools.count(os.getpid() * 7919)  # far from those of a process that was started next


def free_ports(count: int) -> int:
    """Return the first of some consecutive ports that nobody listens on; other ones at each call.

    Raises:
        RuntimeError: there are none.
    """
    for _ in range(_FIRST, _LAST):
        base = _FIRST + next(_PLACES) * count % (_LAST - _FIRST - count)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise RuntimeError("no free ports")
