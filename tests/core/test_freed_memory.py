"""What nobody holds any more goes back to the system, where the C library would keep it."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from gradcheck_kit import freed_memory

STATUS = Path("/proc/self/status")
MOST = 200 * 2**20

PROGRAM = f"""
from pathlib import Path
import numpy as np
from gradcheck_kit.freed_memory import give_back

def resident():
    line = next(line for line in Path({str(STATUS)!r}).read_text().splitlines() if line.startswith("VmRSS:"))
    return 1024 * int(line.split()[1])

before = resident()
np.ones(2**21)  # 16 MiB: once it is freed, blocks as large come from the heap
arrays = [np.ones(2**17) for _ in range(200)]  # 1 MiB each
last = arrays[-1]  # above the others
del arrays
kept = resident() - before
give_back()
print(kept, resident() - before)
"""


@pytest.mark.skipif(not STATUS.exists() or platform.libc_ver()[0] != "glibc", reason="not glibc on Linux")
def test_glibc_gives_back_what_it_had_kept() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    kept, held = map(int, run.stdout.split())
    assert kept > 0.8 * MOST
    assert held < 0.2 * MOST


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> object:
        return object()

    monkeypatch.setattr(freed_memory.ctypes, "CDLL", missing)
    freed_memory._trim.cache_clear()
    try:
        assert freed_memory._trim() is None
        freed_memory.give_back()
    finally:
        freed_memory._trim.cache_clear()
