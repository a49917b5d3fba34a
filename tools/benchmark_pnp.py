#!/usr/bin/env python
"""Times the PnP layer: plain torch against the compiled kernels, in one run, on the same problems.

Writes pnp.json, pnp.md and pnp.png to a folder. docs/experiments/performance.md explains what is
measured and how. Run it where nothing else runs, with OMP_WAIT_POLICY=passive.

Example:
    OMP_WAIT_POLICY=passive python tools/benchmark_pnp.py output/benchmark
    python tools/benchmark_pnp.py output/benchmark --cases training-small --repeats 3 --no-sweep
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.output_files import make_folder, write_figure, write_text
from epropnp_det.errors import UserError, main_guard
from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP4DoF,
    EProPnP6DoF,
    PnPProblem,
    RandomSampleInit,
    SE3Pose,
    YawPose,
    gauss_newton_step,
    monte_carlo_pose_loss,
    ops,
)
from epropnp_det.pnp.ops.cpu.library import fused_multiply_adds, library

MATRIX = ((1260.0, 0.0, 816.0), (0.0, 1250.0, 491.0), (0.0, 0.0, 1.0))
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Case:
    """One call of the layer.

    Args:
        name: name of the case.
        objects, points, samples: how many; no samples: inference.
        dof: 4 or 6.
    """

    name: str
    objects: int
    points: int
    samples: int
    dof: int = 4

    @property
    def size(self) -> str:
        return "x".join(
            str(number) for number in (self.objects, self.points, self.samples) if number
        )


FOUR = (
    Case("training-small", 48, 128, 128),
    Case("training-large", 144, 256, 512),
    Case("inference-small", 100, 128, 0),
    Case("inference-large", 600, 256, 0),
)
CASES = {
    case.name: case
    for four in FOUR
    for case in (four, replace(four, name=f"{four.name}-6dof", dof=6))
}
SWEEPS = {
    "objects": (8, 32, 128, 512),
    "points": (32, 128, 512, 2048),
    "samples": (32, 128, 512, 2048),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument(
        "--cases",
        nargs="+",
        choices=CASES,
        default=list(CASES),
        metavar="CASE",
        help=f"of {', '.join(CASES)} (all)",
    )
    parser.add_argument(
        "--repeats", type=int, default=7, help="timed calls of each (default %(default)s)"
    )
    parser.add_argument(
        "--no-sweep",
        dest="sweep",
        action="store_false",
        help="leave out the sweep over objects, points and samples",
    )
    parser.add_argument(
        "--memory-of", nargs=2, metavar=("CASE", "IMPLEMENTATION"), help=argparse.SUPPRESS
    )
    return parser.parse_args()


# --- what is called ---


def inputs(case: Case) -> tuple[list[Tensor], Tensor]:
    """x3d, x2d and w2d of cars in view, and their poses (B, D)."""
    generator = torch.Generator().manual_seed(0)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    z, yaw = uniform(10, 30, case.objects), uniform(-3.14, 3.14, case.objects)
    position = torch.stack(
        (z * uniform(-0.4, 0.4, case.objects), uniform(0.5, 1.5, case.objects), z), dim=-1
    )
    turn = (
        yaw[:, None]
        if case.dof == 4
        else torch.stack(((yaw / 2).cos(), 0 * yaw, (yaw / 2).sin(), 0 * yaw), dim=-1)
    )
    pose = torch.cat((position, turn), dim=-1)
    space = YawPose if case.dof == 4 else SE3Pose
    x3d = uniform(-0.5, 0.5, case.objects, case.points, 3) * torch.tensor((4.6, 1.7, 1.9))
    x2d = view().project(space.transform(pose, x3d))
    x2d = x2d + 2 * torch.randn(x2d.shape, generator=generator)
    w2d = uniform(0.2, 1.0, *x2d.shape)
    return [x3d, x2d, 8 * w2d / w2d.sum(-2, keepdim=True)], pose


def view() -> Camera:
    return Camera.for_image(torch.tensor(MATRIX), (1600, 900))


def call_of(case: Case, device: str = "cpu") -> Callable[[], object]:
    """The call to be timed: all that a training step, or a detection, does with the layer."""
    values, pose = inputs(case)
    values, pose, camera = (
        [value.to(device) for value in values],
        pose.to(device),
        view().to(device),
    )
    layer = {4: EProPnP4DoF, 6: EProPnP6DoF}[case.dof]
    # On a GPU torch's own generator, which a CUDA graph registers.
    generator = torch.Generator().manual_seed(1) if device == "cpu" else None
    if not case.samples:
        test = layer(lm_iterations=5)
        return torch.no_grad()(
            lambda: test.solve(
                PnPProblem.adaptive(Correspondences(*values), camera), generator=generator
            )
        )
    solver, refine = layer(mc_samples=case.samples), layer(mc_samples=case.samples, init=None)
    leaves = [value.requires_grad_() for value in values]

    def train() -> tuple[Tensor, ...]:
        problem = PnPProblem.adaptive(Correspondences(*leaves), camera)
        blind = solver.solve(problem, generator=generator)
        samples = solver.sample(problem, refine.solve(problem, start=pose), generator)
        loss = monte_carlo_pose_loss(samples, problem.cost(pose)).sum()
        step = (gauss_newton_step(problem, blind.pose) - pose)[:, :3].square().sum()
        return torch.autograd.grad(loss + step, leaves)

    return train


# --- how it is measured ---


@contextmanager
def on_threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def times(
    call: Callable[[], object], repeats: int, threads: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """Median, least and greatest seconds of a call that has been made once before."""
    with on_threads(threads):
        call()
        spent = [_timed(call, clock) for _ in range(repeats)]
    return dict(median=statistics.median(spent), least=min(spent), greatest=max(spent))


def _timed(call: Callable[[], object], clock: Callable[[], float]) -> float:
    begin = clock()
    call()
    return clock() - begin


def operations(call: Callable[[], object]) -> int:
    """Torch operations of the call, without those inside another operation."""
    with profile(activities=[ProfilerActivity.CPU]) as told:
        call()
    ours = (event for event in told.events() if event.name.startswith("aten::"))
    return sum(
        not (event.cpu_parent and event.cpu_parent.name.startswith("aten::")) for event in ours
    )


def resident(field: str) -> int:
    """VmRSS, or VmHWM (the most there ever was), in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def extra_memory(case: Case) -> int:
    """Bytes that a call adds to what the process holds, at its peak. Call it in a fresh process."""
    with on_threads(1):
        call_of(replace(case, objects=1))()
        call = call_of(case)
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        call()
        return resident("VmHWM") - before


def memory_in_a_fresh_process(case: Case, implementation: str, folder: Path) -> int | None:
    if not STATUS.exists():
        return None
    command = [sys.executable, __file__, str(folder), "--memory-of", case.name, implementation]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_flops(rounds: int = 20_000_000, repeats: int = 5) -> float | None:
    """Float32 operations per second of one core: fused multiply-adds of registers, the best of a
    few tries.
    """
    if library() is None:
        return None
    fused_multiply_adds(rounds)
    return max(
        fused_multiply_adds(rounds) / _timed(lambda: fused_multiply_adds(rounds), time.process_time)
        for _ in range(repeats)
    )


def arithmetic(case: Case) -> int:
    """Float operations that a call needs, counted in the source of the kernels; those of the
    sampler's proposals are left out.
    """
    points, step = case.objects * case.points, {4: 155, 6: 225}[case.dof]
    candidates = {4: YawPose, 6: SE3Pose}[case.dof].start_candidates
    cost, gradient, init = 47, 84, RandomSampleInit()
    start = (
        case.objects
        * init.proposals
        * (case.points * cost + init.points * (init.iterations + 1) * step)
    )
    # Normal equations: at the start and after each step of each candidate, and at the solution.
    if not case.samples:
        return start + (6 * candidates + 1) * points * step
    solutions = 11 * candidates + 13
    return start + points * (case.samples * (cost + gradient) + solutions * step)


def measured(case: Case, implementation: str, repeats: int, folder: Path) -> dict[str, Any]:
    with ops.use_backend(implementation):
        call = call_of(case)
        return dict(
            implementation=implementation,
            **asdict(case),
            cpu_one_thread=times(call, repeats, 1, time.process_time),
            wall_two_threads=times(call, repeats, 2, time.perf_counter),
            operations=operations(call),
            arithmetic=arithmetic(case),
            extra_memory=memory_in_a_fresh_process(case, implementation, folder),
        )


def measured_sweep(repeats: int) -> list[dict[str, Any]]:
    """Seconds of a training call as one of its sizes grows."""
    base, results = Case("sweep", 32, 128, 128), []
    cases = [
        (axis, replace(base, **{axis: size})) for axis, sizes in SWEEPS.items() for size in sizes
    ]
    for axis, case in tqdm(cases, desc="sweep", disable=None):
        for implementation in implementations():
            with ops.use_backend(implementation):
                spent = times(call_of(case), repeats, 1, time.process_time)
            results.append(
                dict(axis=axis, implementation=implementation, **asdict(case), cpu_one_thread=spent)
            )
    return results


def implementations() -> list[str]:
    """Plain torch first: the others are compared with it."""
    return ["torch"] if library() is None else ["torch", "cpp"]


def machine() -> dict[str, Any]:
    model = next(
        (
            line.split(":")[1].strip()
            for line in _lines("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    load = next(iter(_lines("/proc/loadavg")), "unknown").split()[0]
    capability = torch.backends.cpu.get_cpu_capability()
    return dict(
        processor=model,
        instructions=capability,
        torch=torch.__version__,
        load_at_start=load,
        peak_flops=peak_flops(),
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


# --- report ---


def table(results: list[dict[str, Any]], about: dict[str, Any]) -> str:
    head = (
        "| call | objects x points x samples | implementation | 1 thread, CPU ms (least-greatest) "
        "| faster | 2 threads, wall ms | "
    )
    head += "extra memory, MiB | torch operations | share of peak |\n" + "| --- " * 9 + "|\n"
    rows, plain = [], {one["name"]: one for one in results if one["implementation"] == "torch"}
    for one in results:
        alone, both, other = (
            one["cpu_one_thread"],
            one["wall_two_threads"],
            plain[one["name"]]["cpu_one_thread"],
        )
        memory = "-" if one["extra_memory"] is None else f"{one['extra_memory'] / 2**20:.1f}"
        share = (
            "-"
            if about["peak_flops"] is None
            else f"{one['arithmetic'] / alone['median'] / about['peak_flops']:.0%}"
        )
        cells = [
            one["name"],
            Case(one["name"], one["objects"], one["points"], one["samples"]).size,
            one["implementation"],
            f"{1e3 * alone['median']:.1f} "
            f"({1e3 * alone['least']:.1f}-{1e3 * alone['greatest']:.1f})",
            f"{other['median'] / alone['median']:.1f}x",
            f"{1e3 * both['median']:.1f}",
            *(memory, str(one["operations"]), share),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return (
        head
        + "\n".join(rows)
        + "\n\n"
        + "\n".join(f"* {name}: {value}" for name, value in about.items())
        + "\n"
    )


def draw_sweep(sweep: list[dict[str, Any]], picture: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6))
    axes = figure.subplots(1, len(SWEEPS), sharey=True)
    for axis, name in zip(axes, SWEEPS):
        for implementation in implementations():
            mine = [
                one
                for one in sweep
                if one["axis"] == name and one["implementation"] == implementation
            ]
            axis.plot(
                [one[name] for one in mine],
                [one["cpu_one_thread"]["median"] for one in mine],
                marker="o",
                label=implementation,
            )
        axis.set(xscale="log", yscale="log", xlabel=name)
        axis.grid(alpha=0.3, which="both")
    axes[0].set(ylabel="training call, s of one core")
    axes[0].legend()
    figure.tight_layout()
    write_figure(picture, figure)


@main_guard
def main() -> None:
    args = parse_args()
    if args.repeats < 1:
        raise UserError(f"--repeats {args.repeats}: give at least 1")
    if args.memory_of:
        with ops.use_backend(args.memory_of[1]):
            print(extra_memory(CASES[args.memory_of[0]]))
        return
    make_folder(args.folder)
    about = machine()
    pairs = [
        (CASES[name], implementation) for name in args.cases for implementation in implementations()
    ]
    results = [
        measured(case, implementation, args.repeats, args.folder)
        for case, implementation in tqdm(pairs, desc="cases", disable=None)
    ]
    sweep = measured_sweep(args.repeats) if args.sweep else []
    content = dict(machine=about, cases=results, sweep=sweep)
    write_json(args.folder / "pnp.json", content, indent=1)
    write_text(args.folder / "pnp.md", table(results, about))
    if sweep:
        draw_sweep(sweep, args.folder / "pnp.png")
    print(table(results, about))


if __name__ == "__main__":
    sys.exit(main())
