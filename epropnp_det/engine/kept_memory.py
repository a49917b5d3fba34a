"""Memory of a training on a CPU, which its process keeps from step to step."""

from __future__ import annotations

import ctypes
import os

# Numbers of mallopt(3) of glibc.
_TRIM_THRESHOLD = -1
_TOP_PAD = -2
_MMAP_MAX = -4
_LARGEST_INT = 2**31 - 1
_PAD_BYTES = 2**28


def keep_freed_memory() -> None:
    """Keeps the memory of freed tensors for the next ones, in large pages.

    Without it, glibc gives large blocks back to the system, and each page of the next block costs a
    fault: a step of EfficientNet-lite0 on one core takes about a tenth longer. Call it before the
    first tensor of 2 MB; a setting of the environment for large pages stays. With another C library
    only the pages change.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _LARGEST_INT)
    library.mallopt(_TOP_PAD, _PAD_BYTES)
