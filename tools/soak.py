#!/usr/bin/env python
"""Memory, open files and threads over a long training and over many calls of `detect`.

`train` runs the command after `--` and measures it and all its processes. `detect` calls the
function on one image. Both write their measurements to FOLDER as JSON lines, draw all of them
as FOLDER/soak.png, and print the medians of the second and of the last quarter of the run.

Examples:
    python tools/soak.py output/soak train -- tools/dist_train.sh \\
        configs/object_pose/embedded_lite0.py 2 --seed 0
    python tools/soak.py output/soak detect --calls 20000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

from epropnp_det.console.detect import CONFIGS, DEMO_IMAGE
from epropnp_det.engine.output_files import make_folder, write_figure
from epropnp_det.errors import UserError, main_guard

SYNTHETIC = CONFIGS / "synthetic"
QUANTITIES = {
    "memory": "memory [MiB]",
    "files": "open files",
    "threads": "threads",
    "processes": "processes",
}


@dataclass(frozen=True)
class Usage:
    """What a process and its children use, all together, `seconds` after the start.

    Args:
        seconds: since the first measurement.
        memory: MiB without those of files, such as libraries, which other programs share; pages
            that these processes share count once.
        files, threads, processes: their numbers.
    """

    seconds: float
    memory: float
    files: int
    threads: int
    processes: int


@main_guard
def main() -> None:
    args = parse_args()
    make_folder(args.folder)
    measurements = detect_calls(args) if args.kind == "detect" else training(args)
    with (args.folder / f"{args.kind}.jsonl").open("w") as file:
        for usage in measurements:
            file.write(json.dumps(asdict(usage)) + "\n")
            file.flush()
    draw(args.folder)
    print(f"{args.folder}/{args.kind}.jsonl, {args.folder}/soak.png")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where all files go")
    kinds = parser.add_subparsers(dest="kind", required=True)
    train = kinds.add_parser("train", help="measure a command and its processes")
    train.add_argument("command", nargs="+", metavar="COMMAND", help="the training, after --")
    train.add_argument(
        "--every", type=float, default=20.0, metavar="S", help="seconds (default: 20)"
    )
    detect = kinds.add_parser("detect", help="call `detect` many times")
    detect.add_argument("--calls", type=int, default=20_000, metavar="N", help="(default: 20000)")
    detect.add_argument("--every", type=int, default=100, metavar="N", help="calls (default: 100)")
    detect.add_argument("--model", default="epropnp_r18_varied", help="a shipped synthetic model")
    return parser.parse_args()


def training(args: argparse.Namespace) -> Iterator[Usage]:
    """The usage of the command every `args.every` seconds.

    Raises:
        UserError: the command failed.
    """
    run = subprocess.Popen(args.command)
    begin = time.monotonic()
    while run.poll() is None:
        yield from measured(run.pid, begin)
        time.sleep(args.every)
    if run.returncode:
        raise UserError(f"the command ended with exit code {run.returncode}")


def detect_calls(args: argparse.Namespace) -> Iterator[Usage]:
    """The usage of this process every `args.every` calls."""
    from tqdm import trange

    from epropnp_det.apis import detect, init_model
    from epropnp_det.engine.images import read_image

    model = init_model(
        str(SYNTHETIC / f"{args.model}.py"), str(SYNTHETIC / f"{args.model}.pth"), device="cpu"
    )
    image = read_image(DEMO_IMAGE)
    begin = time.monotonic()
    for call in trange(args.calls + 1, disable=None):
        detect(model, image, ((1266.0, 0.0, 800.0), (0.0, 1266.0, 450.0), (0.0, 0.0, 1.0)))
        if call % args.every == 0:
            yield from measured(psutil.Process().pid, begin)


def measured(pid: int, begin: float) -> Iterator[Usage]:
    """One measurement of a process and its children, `begin` a time of `time.monotonic` [s]; none
    if one of them ends meanwhile.
    """
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        memory = sum(own_memory(one.pid) for one in family)
        files = sum(one.num_fds() for one in family)
        threads = sum(one.num_threads() for one in family)
    except (psutil.Error, FileNotFoundError, ProcessLookupError):
        return
    yield Usage(time.monotonic() - begin, memory, files, threads, len(family))


def own_memory(pid: int) -> float:
    """MiB of the pages of a process that belong to no file; a page of n processes counts 1 / n."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kilobytes = {line.split()[0]: line.split()[1] for line in lines}
    return (int(kilobytes["Pss_Anon:"]) + int(kilobytes["Pss_Shmem:"])) / 2**10


def draw(folder: Path) -> None:
    """A picture of all measurements of the folder, and a line for each quantity."""
    from matplotlib.figure import Figure

    runs = sorted(folder.glob("*.jsonl"))
    figure = Figure(figsize=(9, 2.2 * len(QUANTITIES)))
    axes = figure.subplots(len(QUANTITIES), len(runs), squeeze=False)
    for column, run in enumerate(runs):
        found = [Usage(**json.loads(line)) for line in run.read_text().splitlines()]
        hours = [usage.seconds / 3600 for usage in found]
        for axis, (name, label) in zip(axes[:, column], QUANTITIES.items(), strict=True):
            values = [getattr(usage, name) for usage in found]
            axis.plot(hours, values)
            axis.set(ylabel=label, ylim=(0, 1.3 * max(values)))
            axis.grid(alpha=0.3)
            print(f"{run.stem}: {change(label, values)}")
        axes[0, column].set_title(run.stem)
        axes[-1, column].set_xlabel("hours")
    figure.tight_layout()
    write_figure(folder / "soak.png", figure, dpi=100)


def change(label: str, values: list[float]) -> str:
    """The medians of the second and of the last quarter; the first has the start in it."""
    quarter = max(1, len(values) // 4)
    early = median(values[quarter : 2 * quarter] or values)
    late = median(values[-quarter:])
    return f"{label} {early:.1f} in the second quarter, {late:.1f} in the last"


if __name__ == "__main__":
    sys.exit(main())
