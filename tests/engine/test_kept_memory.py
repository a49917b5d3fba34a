"""What a training on a CPU keeps of its memory."""

import subprocess
import sys

import pytest

# glibc itself keeps blocks of up to 32 MB.
TENSOR_MB = 64
# Prints the memory that a process still holds of a tensor it has freed.
PROGRAM = f"""
import os, sys
import torch
from epropnp_det.engine.kept_memory import keep_freed_memory

def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

if sys.argv[1] == "kept":
    keep_freed_memory()
before = resident_bytes()
torch.ones({TENSOR_MB} * 2**18)
print((resident_bytes() - before) / 2**20)
"""


def held_mb(memory: str) -> float:
    command = [sys.executable, "-c", PROGRAM, memory]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone returns such memory")
def test_freed_tensors_leave_their_memory_to_the_next_ones():
    assert held_mb("kept") > 3 * TENSOR_MB / 4
    assert held_mb("returned") < TENSOR_MB / 4
