#!/usr/bin/env python
"""Times the detector and mmdet3d's FCOS3D with the same backbone, neck and images, and the share of
the PnP layer.

Writes a small synthetic dataset (once), model.json and model.md to the folder.
docs/experiments/performance.md explains the measurements. A step of the large models takes minutes
on a CPU. Run it on an idle machine, with OMP_WAIT_POLICY=passive.

Example:
    OMP_WAIT_POLICY=passive python tools/benchmark_model.py output/benchmark
    python tools/benchmark_model.py output/benchmark --pairs small --repeats 3
"""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from mmcv.parallel import collate
from mmcv.runner import HOOKS
from torch import nn

from epropnp_det.detection.heads import pnp_head
from epropnp_det.detection.training.object_losses import pose_losses
from epropnp_det.engine.command_line import add_device_argument
from epropnp_det.engine.config import build_dataset, build_model, load_config, move_data_root
from epropnp_det.engine.hooks.mixed_precision import MixedPrecisionHook, run_convolutions_in
from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.model import find_device
from epropnp_det.engine.output_files import make_folder, write_text
from epropnp_det.engine.seeding import seed_everything
from epropnp_det.engine.timing import milliseconds
from epropnp_det.engine.training import init_weights
from epropnp_det.engine.wrapping import to_device
from epropnp_det.errors import UserError, main_guard
from epropnp_det.pnp import ops
from epropnp_det.pnp.ops.cpu.library import library

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Pair:
    """Two models that share backbone, neck and images.

    Args:
        ours, baseline: configs; images: of a training step.
    """

    ours: str
    baseline: str
    images: int


PAIRS = {
    "small": Pair(
        "configs/detection/synthetic/epropnp_r18_synthetic.py",
        "configs/detection/synthetic/fcos3d_r18_synthetic.py",
        2,
    ),
    "r101": Pair(
        "configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py",
        "configs/detection/nuscenes/fcos3d_r101_nuscenes.py",
        1,
    ),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the images and the files go")
    parser.add_argument(
        "--pairs",
        nargs="+",
        choices=PAIRS,
        default=list(PAIRS),
        metavar="PAIR",
        help=f"of {', '.join(PAIRS)} (all)",
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="timed calls of each (default %(default)s)"
    )
    add_device_argument(parser)
    return parser.parse_args()


# --- timed calls ---


def make_images(folder: Path) -> Path:
    """A synthetic database of 24 images; written once."""
    root = folder / "images"
    if not (root / "synthetic.json").exists():
        run("create_synthetic_nuscenes.py", str(root), "--preset", "test")
    if not list(root.glob("*.coco.json")):
        run("create_data.py", "nuscenes", str(root), "--version", "v1.0-mini")
    return root


def run(tool: str, *arguments: str) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / tool, *arguments], check=True)


def load_config_on(path: str, root: Path) -> Any:
    """A config on those images, without pretrained weights, which change no time; in a test, every
    model has 64 candidates per image.
    """
    config = move_data_root(load_config(ROOT / path), root)
    for split, name in (("train", "train"), ("test", "val")):
        config.data[split].update(
            version="v1.0-mini", ann_file=f"{root}/nuscenes_mini_infos_{name}_mono3d.coco.json"
        )
    config.model.backbone.pop("init_cfg", None)
    ours = dict(score_threshold=0.0, max_queries=64)
    theirs = dict(score_thr=0.0, nms_pre=13)  # of each of five levels
    config.model.test_cfg.update(ours if "max_queries" in config.model.test_cfg else theirs)
    return config


def build_seeded_model(config: Any, device: torch.device) -> nn.Module:
    """Random weights, the same each time; convolutions as the config trains them."""
    seed_everything(0)
    model = build_model(config)
    init_weights(model)
    for settings in config.get("custom_hooks", []):
        hook = HOOKS.build(settings)
        if isinstance(hook, MixedPrecisionHook):
            run_convolutions_in(hook.dtype, model, hook.channels_last)
    return model.to(device)


def load_batch(config: Any, split: str, images: int, device: torch.device) -> dict[str, Any]:
    """The first images of a split as the network gets them."""
    dataset = build_dataset(config.data[split], test_mode=split == "test", config=config)
    return to_device(collate([dataset[i] for i in range(images)], samples_per_gpu=images), device)


def training_step(model: nn.Module, batch: dict[str, Any]) -> Callable[[], None]:
    """Losses and their gradients, as every step of a training has them."""

    def step() -> None:
        model.train().zero_grad()
        model.train_step(batch, None)["loss"].backward()

    return step


def inference(model: nn.Module, batch: dict[str, Any]) -> Callable[[], Any]:
    """Image in, boxes out."""
    return torch.no_grad()(lambda: model.eval()(return_loss=False, **batch))


def layer_in_training(model: nn.Module, batch: dict[str, Any]) -> Callable[[], None]:
    """The work of a training step in the PnP layer: solution, samples, pose losses, and their
    gradients in the predictions.
    """
    with patch.object(pnp_head, "object_losses", wraps=pnp_head.object_losses) as spy:
        training_step(model, batch)()
    losses, training, predicted, problem, targets, generator = spy.call_args.args
    leaves = predicted.map(lambda value: value.detach().requires_grad_())

    def step() -> None:
        posed = pnp_head.build_problem(leaves, problem.camera, training.gradients.delta_to_x2d)
        estimate = training.layer.solve(posed, generator=generator)
        values = pose_losses(losses["pose"], training, leaves, posed, targets, estimate, generator)
        sum(value for name, value in values.items() if name.startswith("loss")).backward()

    return step


def layer_in_inference(model: nn.Module, batch: dict[str, Any]) -> Callable[[], Any]:
    """The solution of the poses of one image."""
    layer = model.bbox_head.test_pnp
    with patch.object(type(layer), "solve", autospec=True, side_effect=type(layer).solve) as spy:
        inference(model, batch)()
    problem = spy.call_args.args[1]
    return torch.no_grad()(lambda: layer.solve(problem))


# --- timing ---


def loading(config: Any) -> Callable[[], Any]:
    """One training image, from its file to the network's input."""
    dataset = build_dataset(config.data.train, test_mode=False, config=config)
    return lambda: dataset[0]


def measured(pair: Pair, root: Path, repeats: int, device: torch.device) -> dict[str, Any]:
    """All times of a pair, ms."""
    result: dict[str, Any] = {}
    for name, path in (("ours", pair.ours), ("FCOS3D", pair.baseline)):
        config = load_config_on(path, root)
        model = build_seeded_model(config, device)
        train = load_batch(config, "train", pair.images, device)
        test = load_batch(config, "test", 1, device)
        calls = {
            "training step": training_step(model, train),
            "inference": inference(model, test),
            "loading": loading(config),
        }
        result[name] = {what: milliseconds(call, repeats, device) for what, call in calls.items()}
        if name == "ours":
            result["layer"] = measured_layer(model, train, test, repeats, device)
    return result


def measured_layer(
    model: nn.Module, train: dict, test: dict, repeats: int, device: torch.device
) -> dict[str, Any]:
    """Times of the PnP layer alone, ms, by implementation."""
    parts = {
        "training step": layer_in_training(model, train),
        "inference": layer_in_inference(model, test),
    }
    times: dict[str, Any] = {}
    for implementation in implementations(device):
        with ops.use_backend(implementation):
            times[implementation] = {
                what: milliseconds(call, repeats, device) for what, call in parts.items()
            }
    return times


def implementations(device: torch.device) -> list[str]:
    """Plain torch, and the compiled kernels where they can be used."""
    return ["torch"] + ["cpp"] * (device.type == "cpu" and library() is not None)


# --- report ---


def table(results: dict[str, Any]) -> str:
    """Markdown: a row for each pair and call. The share of the layer is its time over the step's
    with that implementation in it.
    """
    columns = (
        "models",
        "call",
        "ours, ms (least-greatest)",
        "FCOS3D, ms",
        "ours / FCOS3D",
        "PnP layer, ms (share of the call)",
    )
    head = f"| {' | '.join(columns)} |\n" + "| --- " * len(columns) + "|\n"
    rows = [
        row(pair, what, result)
        for pair, result in results.items()
        for what in ("training step", "inference", "loading")
    ]
    return head + "\n".join(rows) + "\n"


def row(pair: str, what: str, result: dict[str, Any]) -> str:
    mine = result["ours"][what]
    theirs = result["FCOS3D"][what]
    layer = {
        name: times[what]["median"] for name, times in result["layer"].items() if what in times
    }
    used = (
        list(layer.values())[-1] if layer else 0.0
    )  # the implementation that the timed call has used comes last
    shares = (
        f"{name} {spent:.0f} ({spent / (mine['median'] - used + spent):.0%})"
        for name, spent in layer.items()
    )
    cells = [
        pair,
        what,
        summarize(mine),
        summarize(theirs),
        f"{mine['median'] / theirs['median']:.2f}",
        ", ".join(shares) or "-",
    ]
    return "| " + " | ".join(cells) + " |"


def summarize(times: dict[str, float]) -> str:
    return f"{times['median']:.0f} ({times['least']:.0f}-{times['greatest']:.0f})"


@main_guard
def main() -> None:
    args = parse_args()
    if args.repeats < 1:
        raise UserError(f"--repeats {args.repeats}: give at least 1")
    device = find_device(args.device)
    make_folder(args.folder)
    root = make_images(args.folder)
    torch.set_num_threads(1)
    results = {name: measured(PAIRS[name], root, args.repeats, device) for name in args.pairs}
    write_json(args.folder / "model.json", results, indent=1)
    write_text(args.folder / "model.md", table(results))
    print(table(results))


if __name__ == "__main__":
    sys.exit(main())
