"""A large picture's way through the networks takes no more memory than it did when this was last measured."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from photorestore.networks.eight_bits import is_supported

MOST_MB = 500
"""Above what is held once everything is loaded; measured: 416."""
PROGRAM = """
import sys
from pathlib import Path
from bench.pairs_side import RESTORING
from bench.service import in_process, made_picture
from photorestore import pipeline

def told(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

loaded, picture = pipeline.load(root=Path(sys.argv[1])), made_picture(1440, 2160)
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before = told("VmRSS")
in_process(loaded, [picture], RESTORING | {"timeout_s": 600})
print(told("VmHWM") - before)
"""

pytestmark = pytest.mark.quality


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they like")
@pytest.mark.skipif(not is_supported(), reason="in bfloat16 or float32 other maps are kept")
def test_three_stages_hold_little_more_than_a_tile_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < MOST_MB
