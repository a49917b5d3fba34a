"""What a training on a CPU keeps of its memory."""

import subprocess
import sys

import pytest

# glibc itself keeps blocks of up to 32 MB.
PAGES_OF_A_TENSOR = 16384
REPEATS = 10
# Counts the page faults while tensors of 64 MB come and go, as in the steps of a training.
PROGRAM = f"""
import resource, sys
import torch
from epropnp_det.engine.kept_memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones({PAGES_OF_A_TENSOR * 1024})
before = faults()
for _ in range({REPEATS}):
    torch.ones({PAGES_OF_A_TENSOR * 1024})
print(faults() - before)
"""


def page_faults(memory: str) -> int:
    command = [sys.executable, "-c", PROGRAM, memory]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone returns such memory")
def test_freed_tensors_leave_their_memory_to_the_next_ones():
    assert page_faults("kept") < 3 * PAGES_OF_A_TENSOR
    assert page_faults("returned") > (REPEATS - 1) * PAGES_OF_A_TENSOR
