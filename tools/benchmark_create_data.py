#!/usr/bin/env python
"""Time and memory of `tools/create_data.py nuscenes` over the number of samples and processes.

A small synthetic database is written once and repeated under other tokens. Each measurement runs
the command as a user does. Writes create_data.json, create_data.md and two pictures to the folder;
measurements that are in create_data.json are not repeated. Run it on an idle machine.

Example:
    python tools/benchmark_create_data.py output/benchmark
    python tools/benchmark_create_data.py output/benchmark --samples 1000 --processes 1 2 --lidar
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.output_files import write_figure, write_text
from epropnp_det.errors import UserError, main_guard

ROOT = Path(__file__).parents[1]
SECONDS_BETWEEN_LOOKS = 0.1
# Reading the memory of a family takes about 10 ms, which would slow its second process.
LOOKS_PER_MEMORY = 10


@dataclass(frozen=True)
class Measurement:
    """A run of the command.

    Args:
        samples, processes, lidar: arguments of the command.
        start: seconds until the tables were read.
        seconds: duration of the command.
        tables: MiB of memory when the tables were read.
        peak: the most MiB of all its processes together; shared pages count once.
        sha256: digest of the annotation file.
    """

    samples: int
    processes: int
    lidar: bool
    start: float
    seconds: float
    tables: float
    peak: float
    sha256: str


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where all files go")
    parser.add_argument(
        "--samples",
        type=int,
        nargs="+",
        default=[500, 1000, 2000, 4000],
        metavar="N",
        help="multiples of 4 (default: 500 1000 2000 4000)",
    )
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[1, 2], metavar="N", help="(default: 1 2)"
    )
    parser.add_argument("--lidar", action="store_true", help="with the LiDAR points of each image")
    args = parser.parse_args()
    if any(samples < 4 or samples % 4 for samples in args.samples):
        parser.error("--samples takes multiples of 4")
    if min(args.processes) < 1:
        parser.error("--processes must be at least 1")
    return args


@main_guard
def main() -> None:
    args = parse_args()
    record = args.folder / "create_data.json"
    found = (
        [Measurement(**one) for one in json.loads(record.read_text())] if record.exists() else []
    )
    for samples in args.samples:
        for processes in args.processes:
            if any(key(one) == (samples, processes, args.lidar) for one in found):
                continue
            found.append(measured(args.folder, samples, processes, args.lidar))
            write_json(record, [asdict(one) for one in found], indent=1)
            print(table(found[-1:]).splitlines()[-1], flush=True)
    found.sort(key=key)
    check_same_bytes(found)
    write_text(args.folder / "create_data.md", table(found))
    draw(found, "seconds", "time of the command [s]", args.folder / "create_data_time.png")
    draw(found, "peak", "most memory [MiB]", args.folder / "create_data_memory.png")
    print(f"{record}, create_data.md, create_data_time.png, create_data_memory.png")


def key(one: Measurement) -> tuple[int, int, bool]:
    return one.samples, one.processes, one.lidar


def measured(folder: Path, samples: int, processes: int, lidar: bool) -> Measurement:
    """Runs the command on a database of `samples` samples, and watches it."""
    database = long_database(folder, samples)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, str(ROOT / "tools" / "create_data.py"), "nuscenes", str(database)]
    command += ["--version", "v1.0-trainval", "--out", str(out), "--processes", str(processes)]
    begin = time.monotonic()
    run = subprocess.Popen([*command, *["--lidar"] * lidar], stdout=subprocess.DEVNULL)
    start = 0.0
    tables = 0.0
    peak = 0.0
    looks = itertools.count()
    while run.poll() is None:
        if not start and any(out.glob(".*.parts")):
            start = time.monotonic() - begin
            tables = memory(run.pid)
        if next(looks) % LOOKS_PER_MEMORY == 0:
            peak = max(peak, memory(run.pid))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    seconds = time.monotonic() - begin
    if run.returncode:
        raise UserError(f"the command ended with exit code {run.returncode}")
    content = (out / "nuscenes_infos_train_mono3d.coco.json").read_bytes()
    shutil.rmtree(out)
    return Measurement(
        samples,
        processes,
        lidar,
        round(start, 2),
        round(seconds, 2),
        round(tables, 1),
        round(max(peak, tables), 1),
        hashlib.sha256(content).hexdigest(),
    )


def long_database(folder: Path, samples: int) -> Path:
    """A database of that many samples; written once."""
    from epropnp_det.synthetic.generate import write_database
    from epropnp_det.synthetic.repetition import repeat_database

    short = folder / "short"
    if not short.exists():
        write_database(short, "test")
    long = folder / f"samples_{samples}"
    if not long.exists():
        unfinished = folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        repeat_database(short, unfinished, samples // 4).rename(long)
    return long


def memory(pid: int) -> float:
    """MiB of a process and its children; pages that they share count once."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_full_info().pss for one in family) / 2**20
    except psutil.Error:  # one of them has just ended
        return 0.0


def check_same_bytes(found: Sequence[Measurement]) -> None:
    for samples in {one.samples for one in found}:
        if len({one.sha256 for one in found if one.samples == samples}) > 1:
            raise UserError(f"the runs on {samples} samples wrote different files")


def table(found: Sequence[Measurement]) -> str:
    rows = [
        f"| {one.samples} | {one.processes} | {'yes' if one.lidar else 'no'} | {one.seconds:.1f} | "
        f"{one.seconds - one.start:.1f} | {one.tables:.0f} | {one.peak:.0f} |"
        for one in found
    ]
    head = "| samples | processes | LiDAR points | command, s | after the tables were read, s | "
    head += "memory after reading, MiB | most memory, MiB |\n" + "| --- " * 7 + "|\n"
    return head + "\n".join(rows) + "\n"


def draw(found: Sequence[Measurement], name: str, label: str, picture: Path) -> None:
    """A line of the values `name` over the samples for each kind of run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.8))
    axis = figure.subplots()
    for processes, lidar in sorted({(one.processes, one.lidar) for one in found}):
        mine = [one for one in found if (one.processes, one.lidar) == (processes, lidar)]
        kind = f"{processes} process{'es' * (processes > 1)}{', LiDAR' * lidar}"
        values = [getattr(one, name) for one in mine]
        axis.plot([one.samples for one in mine], values, marker="o", label=kind)
    if name == "peak":
        alone = [one for one in found if one.processes == found[0].processes and not one.lidar]
        axis.plot(
            [one.samples for one in alone],
            [one.tables for one in alone],
            color="grey",
            linestyle="--",
            label="tables alone",
        )
    axis.set(xlabel="samples", ylabel=label, xlim=(0, None), ylim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.tight_layout()
    write_figure(picture, figure)


if __name__ == "__main__":
    sys.exit(main())
