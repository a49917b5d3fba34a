"""One function on many jobs, in processes that end with the one that started them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from epropnp_det.errors import UserError

# A worker copies each page of memory whose objects it uses. New workers start without the copies.
_JOBS_PER_POOL = 100
_SECONDS_BETWEEN_CHECKS = 0.25

_function: Callable[[Any], Any]  # of a worker


def available_processes() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def spawned_results(
    function: Callable[[Any], Any], jobs: Sequence[Any], processes: int
) -> Iterator[Any]:
    """Yields `function(job)` for every job, in the order of the jobs.

    The processes share no threads with this one, for rendering: Embree and OpenCV start threads,
    which a forked process lacks. They end with this process. With one process, or one job,
    everything runs here.

    Raises:
        UserError: a process was killed, most often for want of memory.
    """
    return _results(function, jobs, processes, _spawned)


def results_of(
    function: Callable[[Any], Any], jobs: Sequence[Any], processes: int
) -> Iterator[Any]:
    """Yields `function(job)` for every job, in the order in which they end.

    The processes are forked: what `function` refers to is shared with them, whatever its size, and
    need not be picklable. Jobs and results are sent. An exception in a worker is raised here; jobs
    that have not begun are then dropped. With one process, or one job, everything runs here.

    Raises:
        UserError: a process was killed, most often for want of memory.
    """
    return _results(function, jobs, processes, _forked)


def _results(
    function: Callable[[Any], Any],
    jobs: Sequence[Any],
    processes: int,
    in_processes: Callable[[Callable[[Any], Any], Sequence[Any], int], Iterator[Any]],
) -> Iterator[Any]:
    processes = min(processes, len(jobs))
    if processes <= 1:
        yield from map(function, jobs)
        return
    try:
        yield from in_processes(function, jobs, processes)
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, perhaps because the memory was full; run the command "
            "again with fewer processes"
        ) from error


@contextmanager
def killed_loaders_in_one_line() -> Iterator[None]:
    """For the code that takes batches of a `DataLoader`.

    Raises:
        UserError: a process that loads images was killed, most often for want of memory.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        if not (str(error).startswith("DataLoader worker") or _is_of_connection(error)):
            raise
        raise UserError(
            "a process that loads images was killed, perhaps because the memory was full; give "
            "--cfg-options data.workers_per_gpu=0, or another smaller number"
        ) from error


def _is_of_connection(error: BaseException) -> bool:
    """Whether reading from another process failed: one that is killed while it sends a batch ends
    the connection before torch finds it dead.
    """
    place = traceback.extract_tb(error.__traceback__)[-1].filename
    is_lost = isinstance(error, (ConnectionError, EOFError))
    return is_lost and Path(place).parent == Path(multiprocessing.__file__).parent


def _spawned(function: Callable[[Any], Any], jobs: Sequence[Any], processes: int) -> Iterator[Any]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_spawned, (os.getpid(),)) as pool:
        yield from pool.map(function, jobs)


def _start_spawned(parent: int) -> None:
    import cv2

    cv2.setNumThreads(1)
    end_with(parent)


def _forked(function: Callable[[Any], Any], jobs: Sequence[Any], processes: int) -> Iterator[Any]:
    gc.freeze()  # else the garbage collector of a worker writes to, and copies, every object
    try:
        for start in range(0, len(jobs), _JOBS_PER_POOL):
            yield from _of_one_pool(function, jobs[start : start + _JOBS_PER_POOL], processes)
    finally:
        gc.unfreeze()


def _of_one_pool(
    function: Callable[[Any], Any], jobs: Sequence[Any], processes: int
) -> Iterator[Any]:
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("fork"),
        initializer=_start_worker,
        initargs=(function, os.getpid()),
    )
    try:
        for future in as_completed([pool.submit(_run, job) for job in jobs]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(function: Callable[[Any], Any], parent: int) -> None:
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers after Ctrl-C
    end_with(parent)


def end_with(parent: int, _worker: int = 0) -> None:
    """Lets this process end soon after its parent, even if that is killed.

    Args:
        parent: number of the process that started this one.
        _worker: what a `DataLoader` hands to its `worker_init_fn`.
    """
    threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: int) -> None:
    """Ends this process soon after its parent, which may have been killed and then cannot do it."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_CHECKS)
    os._exit(1)


def _run(job: Any) -> Any:
    return _function(job)
