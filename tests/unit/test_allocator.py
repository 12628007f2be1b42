import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource
from photorestore.allocator import keep_freed_memory
keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = library.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    library.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

HOLES = """
import ctypes, psutil
from photorestore.allocator import drop_freed_memory, keep_freed_memory
keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
blocks = [library.malloc(16 << 20) for _ in range(20)]
for block in blocks:
    ctypes.memset(block, 1, 16 << 20)
for block in blocks[::2]:
    library.free(block)
kept = psutil.Process().memory_info().rss
drop_freed_memory()
print(kept - psutil.Process().memory_info().rss)
"""

THREADS = """
import threading, psutil
from photorestore.allocator import give_freed_memory_back
give_freed_memory_back()

def work():
    for _ in range(5):
        bytes(8 << 20), bytes(3 << 20), bytes(600 << 10)

process = psutil.Process()
before = process.memory_info().rss
for _ in range(3):
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(process.memory_info().rss - before)
"""
is_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")


@is_glibc
def test_freed_memory_is_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100  # 64 MiB from the kernel are 16,384 pages


@is_glibc
def test_an_edge_of_many_threads_gives_large_blocks_back() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 12 << 20  # 40 MB and more without


@is_glibc
def test_holes_between_what_is_in_use_are_given_back_when_told() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 150 << 20
