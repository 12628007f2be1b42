"""Tell the C library when to give memory back."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
KEPT_BYTES = 256 << 20
LARGE_BYTES = 256 << 10
ARENAS = 2


def keep_freed_memory() -> None:
    """Keep up to `KEPT_BYTES` of freed memory for the next allocation, in this process.

    Networks allocate and free tens of megabytes at every layer. By default glibc gets each such block from the kernel
    anew, and the kernel clears it page by page: a seventh of the time of denoising. Other C libraries are left alone.
    """
    _set({M_MMAP_THRESHOLD: KEPT_BYTES, M_TRIM_THRESHOLD: KEPT_BYTES})


def give_freed_memory_back() -> None:
    """Give blocks of `LARGE_BYTES` and more back to the kernel as soon as they are freed, in this process.

    By default glibc keeps blocks as large as the largest that was ever freed, up to 32 MB, in an arena for every other
    thread: a process of many threads that once held a few uploads holds as much for ever.
    """
    _set({M_MMAP_THRESHOLD: LARGE_BYTES, M_TRIM_THRESHOLD: LARGE_BYTES, M_ARENA_MAX: ARENAS})


def drop_freed_memory() -> None:
    """Give back at once what this process has freed and kept, all of it.

    Between what is in use lie holes, which blocks of other sizes do not fit into: after networks have run over tiles of
    several shapes they hold more than `KEPT_BYTES`. Other C libraries are left alone.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(ctypes.c_size_t(0))


def _set(parameters: Mapping[int, int]) -> None:
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        for name, value in parameters.items():
            library.mallopt(name, value)
