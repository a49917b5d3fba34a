#!/usr/bin/env python
"""Times the PnP layer on a GPU: plain torch, the Triton kernels, and both captured in a CUDA graph,
on the same problems.

The calls are those of benchmark_pnp.py; docs/how-to/gpu.md has the results. Writes pnp_gpu.json and
pnp_gpu.md to a folder.

Example:
    python tools/benchmark_pnp_gpu.py output/benchmark-gpu
    python tools/benchmark_pnp_gpu.py output/benchmark-gpu --cases training-small --repeats 10
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmark_pnp import CASES, Case, call_of, operations
from tqdm import tqdm

from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.output_files import make_folder, write_text
from epropnp_det.errors import UserError, main_guard
from epropnp_det.pnp import ops

WARM_UP = 5


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
        "--repeats", type=int, default=50, help="timed calls of each (default %(default)s)"
    )
    return parser.parse_args()


def captured(call: Callable[[], object]) -> Callable[[], object]:
    """The call as a CUDA graph, captured after a call on the side: kernels are compiled and
    libraries loaded by then.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        told = call()

    def replay() -> object:
        graph.replay()
        return told

    return replay


def milliseconds(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median, least and greatest time between two events around a call, after a few calls
    before.
    """
    for _ in range(WARM_UP):
        call()
    spent = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        call()
        end.record()
        end.synchronize()
        spent.append(begin.elapsed_time(end))
    return dict(median=statistics.median(spent), least=min(spent), greatest=max(spent))


def measured(case: Case, implementation: str, repeats: int) -> dict[str, Any]:
    with ops.use_backend(implementation):
        call = call_of(case, "cuda")
        told = dict(
            name=case.name,
            size=case.size,
            implementation=implementation,
            time=milliseconds(call, repeats),
        )
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        memory = torch.cuda.max_memory_allocated() - before
        return dict(
            told,
            extra_memory=memory,
            operations=operations(call),
            graph=milliseconds(captured(call), repeats),
        )


def table(results: list[dict[str, Any]], about: dict[str, Any]) -> str:
    head = (
        "| call | objects x points x samples | implementation | ms (least-greatest) | faster | in "
        "a CUDA graph, ms | extra memory, MiB | "
    )
    head += "torch operations |\n" + "| --- " * 8 + "|\n"
    plain, rows = (
        {one["name"]: one["time"]["median"] for one in results if one["implementation"] == "torch"},
        [],
    )
    for one in results:
        spent, graph = one["time"], one["graph"]
        cells = [
            *(one["name"], one["size"], one["implementation"]),
            f"{spent['median']:.2f} ({spent['least']:.2f}-{spent['greatest']:.2f})",
            f"{plain[one['name']] / spent['median']:.1f}x",
            f"{graph['median']:.2f} ({graph['least']:.2f}-{graph['greatest']:.2f})",
            *(f"{one['extra_memory'] / 2**20:.1f}", str(one["operations"])),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return (
        head
        + "\n".join(rows)
        + "\n\n"
        + "\n".join(f"* {name}: {value}" for name, value in about.items())
        + "\n"
    )


@main_guard
def main() -> None:
    args = parse_args()
    if args.repeats < 1:
        raise UserError(f"--repeats {args.repeats}: give at least 1")
    if not torch.cuda.is_available():
        raise UserError("no GPU that torch can use; tools/benchmark_pnp.py times the CPU")
    make_folder(args.folder)
    about = dict(
        gpu=torch.cuda.get_device_name(0), torch=torch.__version__, cuda=torch.version.cuda
    )
    pairs = [
        (CASES[name], implementation)
        for name in args.cases
        for implementation in ("torch", "triton")
    ]
    results = [
        measured(case, implementation, args.repeats)
        for case, implementation in tqdm(pairs, desc="cases", disable=None)
    ]
    content = dict(machine=about, cases=results)
    write_json(args.folder / "pnp_gpu.json", content, indent=1)
    write_text(args.folder / "pnp_gpu.md", table(results, about))
    print(table(results, about))


if __name__ == "__main__":
    sys.exit(main())
