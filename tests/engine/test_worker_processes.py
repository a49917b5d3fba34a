"""Work in processes: the same results, errors in one line, and no process that is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from epropnp_det.engine.worker_processes import (
    killed_loaders_in_one_line,
    results_of,
    spawned_results,
)
from epropnp_det.errors import UserError


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("jobs", [0, 1, 500])
def test_every_job_has_its_result_whatever_the_number_of_processes(processes: int, jobs: int):
    offset = 10  # a closure, which cannot be pickled
    results = results_of(lambda job: job + offset, range(jobs), processes)
    assert sorted(results) == [job + offset for job in range(jobs)]


def test_the_work_is_done_in_other_processes():
    assert os.getpid() not in set(results_of(lambda _: os.getpid(), range(20), 2))


def fail(job: int) -> int:
    if job == 3:
        raise UserError("the third record has no token")
    return job


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_reaches_the_caller(processes: int):
    with pytest.raises(UserError, match=r"^the third record has no token$"):
        list(results_of(fail, range(10), processes))


def test_a_killed_worker_is_an_error_with_a_remedy():
    def end(job: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(UserError, match=r"killed.*fewer processes"):
        list(results_of(end, range(4), 2))


def end_at_3(job: int) -> int:
    if job == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def test_a_killed_spawned_worker_is_an_error_with_a_remedy():
    with pytest.raises(UserError, match=r"killed.*fewer processes"):
        list(spawned_results(end_at_3, range(9), 2))


@pytest.mark.parametrize("processes", [1, 2])
def test_spawned_workers_give_results_in_order_or_their_error(processes: int):
    assert list(spawned_results(abs, range(-9, 0), processes)) == list(range(9, 0, -1))
    with pytest.raises(UserError, match=r"^the third record has no token$"):
        list(spawned_results(fail, range(10), processes))


@pytest.mark.parametrize("unread", [False, True])
def test_a_loader_that_is_killed_while_it_sends_is_an_error_with_a_remedy(unread: bool):
    here, there = multiprocessing.Pipe()
    if unread:  # the connection is then reset, else it ends
        here.send("a request")
    there.close()
    with pytest.raises(UserError, match=r"killed.*workers_per_gpu"), killed_loaders_in_one_line():
        here.recv()


@pytest.mark.parametrize("error", [EOFError, ConnectionResetError, RuntimeError])
def test_other_errors_stay_what_they_are(error: type[Exception]):
    with pytest.raises(error, match="of a file"), killed_loaders_in_one_line():
        raise error("of a file")


SLEEPERS = """
import os, time
from epropnp_det.engine.worker_processes import results_of

def sleep(job):
    os.write(1, b"%d\\n" % os.getpid())  # at once, whatever the other worker writes
    time.sleep(60)

list(results_of(sleep, range(2), 2))
"""


def test_workers_end_when_their_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", SLEEPERS], stdout=subprocess.PIPE, text=True)
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker is left behind"
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
