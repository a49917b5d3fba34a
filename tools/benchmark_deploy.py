#!/usr/bin/env python
"""Times detection in one image with the network in torch, OpenVINO and ONNX Runtime, and mmdet3d's
FCOS3D with the same backbone, neck and image in torch: all in one run, taking turns.

A call goes from the network's input to boxes; it is wall time, so nothing else should run. Weights
are random except those of shipped models, and every model has 64 candidates. Writes deploy.json and
deploy.md to the folder.

Example:
    OMP_NUM_THREADS=2 python tools/benchmark_deploy.py output/benchmark
    python tools/benchmark_deploy.py output/benchmark --models small --repeats 1
"""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmcv import Config
from mmcv.parallel import collate
from torch import Tensor

from epropnp_det.console.detect import DEMO_IMAGE, DEMO_INTRINSICS
from epropnp_det.engine.config import load_config
from epropnp_det.engine.images import read_image
from epropnp_det.engine.intrinsics import read_intrinsics
from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.model import init_model
from epropnp_det.engine.output_files import make_folder, write_text
from epropnp_det.engine.seeding import seed_everything
from epropnp_det.engine.wrapping import to_device
from epropnp_det.errors import UserError, main_guard

CONFIGS = Path(__file__).parents[1] / "configs" / "detection"
# Config of a model, and of FCOS3D with the same backbone and neck.
MODELS = {
    "small": ("synthetic/epropnp_lite0.py", "synthetic/fcos3d_lite0.py"),
    "r101": ("nuscenes/epropnp_v2_r101_12e_nuscenes.py", "nuscenes/fcos3d_r101_nuscenes.py"),
}
RUNTIMES = {"OpenVINO": "openvino", "ONNX Runtime": "onnxruntime"}
CPU = torch.device("cpu")
Call = Callable[[], Any]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument(
        "--models",
        nargs="+",
        choices=MODELS,
        default=list(MODELS),
        metavar="MODEL",
        help=f"of {', '.join(MODELS)} (all)",
    )
    parser.add_argument(
        "--repeats", type=int, default=7, help="timed calls of each (default: %(default)s)"
    )
    return parser.parse_args()


def seeded_model(path: Path) -> Any:
    """The model of a config with 64 candidates per image: with the weights next to the config, or
    random ones.
    """
    config = load_config(path)
    config.model.backbone.pop("init_cfg", None)
    ours = dict(score_threshold=0.0, max_queries=64)
    theirs = dict(score_thr=0.0, nms_pre=13)  # of each of five levels
    config.model.test_cfg.update(ours if "max_queries" in config.model.test_cfg else theirs)
    weights = path.with_suffix(".pth")
    seed_everything(0)
    return init_model(config, weights if weights.exists() else None)


def network_input(config: Config) -> dict[str, Any]:
    """The image of `epropnp detect --demo`, as the network gets it."""
    from mmdet3d.datasets.pipelines import Compose

    matrix = read_intrinsics(DEMO_INTRINSICS, DEMO_IMAGE).matrix
    info = dict(cam_intrinsic=matrix.tolist())
    loaded = Compose(config.data.test.pipeline)(
        dict(img=read_image(DEMO_IMAGE), img_info=info, img_prefix=None)
    )
    return to_device(collate([loaded], samples_per_gpu=1), CPU)


def calls_of(ours: Path, baseline: Path) -> tuple[dict[str, Call], dict[str, float]]:
    """What is timed, by name, and by runtime how far its image points are from torch's, px."""
    from epropnp_det.detection.deploy.runtime import runtime_network
    from epropnp_det.detection.detector import image_geometry_of

    fcos3d = seeded_model(baseline)
    theirs = network_input(fcos3d.cfg)
    model = seeded_model(ours)
    mine = network_input(model.cfg)

    def detection(**network: Any) -> Call:
        return lambda: model.detect(
            mine["img"], mine["img_metas"], [torch.Generator().manual_seed(0)], **network
        )

    geometry = image_geometry_of(mine["img_metas"], CPU)
    in_torch = model.find_objects(mine["img"], geometry).predictions.x2d
    calls = {"FCOS3D, torch": lambda: fcos3d.simple_test(**theirs), "torch": detection()}
    errors = {}
    for name, runtime in RUNTIMES.items():
        try:
            network = runtime_network(model, runtime)
        except UserError as error:
            print(f"{ours.stem} in {name}: {error}", file=sys.stderr)
            continue
        calls[name] = detection(network=network)
        errors[name] = largest_difference(network(mine["img"], geometry).predictions.x2d, in_torch)
    return calls, errors


def largest_difference(one: Tensor, other: Tensor) -> float:
    """Of the points (M, P, 2) of objects from those of the nearest objects: objects whose ranks are
    equal but for rounding may come in another order.
    """
    distance = torch.cdist(one.flatten(1), other.flatten(1), p=torch.inf)
    return float(distance.amin(1).max())


@torch.no_grad()
def measured(ours: Path, baseline: Path, repeats: int) -> dict[str, Any]:
    """Seconds of each call, after one that is not counted, and differences of the image points."""
    calls, errors = calls_of(ours, baseline)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            if repeat:
                times[name].append(time.perf_counter() - begin)
    return dict(seconds=times, pixels=errors)


def table(results: dict[str, Any]) -> str:
    """Markdown: a row for each model and runtime."""
    lines = ["| model | network in | s (least-greatest) | FCOS3D / it | image points, px |"]
    lines.append("| --- " * 5 + "|")
    for model, result in results.items():
        baseline = statistics.median(result["seconds"]["FCOS3D, torch"])
        for name, spent in result["seconds"].items():
            median = statistics.median(spent)
            error = f"{result['pixels'][name]:.1g}" if name in result["pixels"] else "-"
            lines.append(
                f"| {model} | {name} | {median:.3f} ({min(spent):.3f}-{max(spent):.3f}) | "
                f"{baseline / median:.2f} | {error} |"
            )
    return "\n".join(lines) + "\n"


@main_guard
def main() -> None:
    args = parse_args()
    if args.repeats < 1:
        raise UserError(f"--repeats {args.repeats}: give at least 1")
    make_folder(args.folder)
    results: dict[str, Any] = {}
    for name in args.models:
        paths = (CONFIGS / config for config in MODELS[name])
        results[name] = measured(*paths, args.repeats)
    threads = torch.get_num_threads()
    write_json(args.folder / "deploy.json", dict(results, threads=threads), indent=1)
    write_text(args.folder / "deploy.md", table(results))
    print(f"{threads} threads\n\n{table(results)}")


if __name__ == "__main__":
    sys.exit(main())
