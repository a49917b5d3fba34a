#!/usr/bin/env python
"""Measures the time of an object-pose network on random patches: a training step, a test, and the
PnP layer's share of both.

Weights are random, which changes no time. On a CPU the figures are processor time of all threads:
with OMP_NUM_THREADS=1 that is the time of a quiet machine.

Example:
    python tools/benchmark_object_pose.py configs/object_pose/released/epropnp_v2_no_model.py
    python tools/benchmark_object_pose.py configs/object_pose/_base_/models/lite0.py --batch 16
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from epropnp_det.errors import main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--batch", type=int, default=4, help="patches of a training step (default: %(default)s)"
    )
    parser.add_argument(
        "--objects", type=int, default=5, help="patches of a test (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="timed calls of each (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help.
    import torch

    import epropnp_det.object_pose  # noqa: F401  registers its models
    from epropnp_det.engine.model import init_model
    from epropnp_det.engine.timing import milliseconds

    model = init_model(args.config, device=args.device)
    device = torch.device(args.device)

    def median(call: Callable[[], object]) -> float:
        return milliseconds(call, args.repeats, device)["median"]

    size = model.cfg.patch.size
    threads = torch.get_num_threads()
    print(f"{args.config}, {size} px, {device.type}, {threads} thread(s), ms")
    train, pnp = training_calls(model.train(), random_batch(args.batch, size, device))
    report(f"training step of {args.batch}", median(train), median(pnp))
    test, pnp = test_calls(model.eval(), random_batch(args.objects, size, device))
    report(f"test of {args.objects}", median(test), median(pnp))
    print(f"{'image to poses':20} {median(image_call(model, args.objects)):9.1f}")


def report(what: str, total: float, layer: float) -> None:
    """Prints one line: times [ms] of all and of the part after the network's maps, their ratio."""
    print(f"{what:20} {total:9.1f}   losses and layer {layer:8.1f}   share {layer / total:6.1%}")


def random_batch(number: int, size: int, device):
    """Patches (B, 3, size, size) of noise, their geometry and a true pose a metre away."""
    import torch

    from epropnp_det.object_pose.structures import PatchGeometry

    pixels = torch.tensor(((572.0, 0.0, 325.0), (0.0, 573.0, 242.0), (0.0, 0.0, 1.0)))
    geometry = PatchGeometry(
        torch.full((number, 2), 200.0),
        torch.full((number,), 120.0),
        pixels.expand(number, 3, 3),
        torch.full((number, 3), 0.06),
        torch.zeros(number, dtype=torch.long),
    )
    pose = torch.tensor((-0.12, 0.03, 1.0, 1.0, 0.0, 0.0, 0.0)).expand(number, 7)
    img = torch.rand(number, 3, size, size, generator=torch.Generator().manual_seed(0))
    return img.to(device), geometry.to(device), pose.to(device)


def training_calls(model, batch) -> tuple[Callable[[], object], Callable[[], object]]:
    """A training step without the optimizer, and its part behind the maps."""
    import torch

    from epropnp_det.object_pose.structures import GroundTruth

    img, geometry, pose = batch
    maps = model.maps(img, geometry).detach()
    gt = GroundTruth(pose, torch.zeros_like(maps.noc), torch.ones_like(maps.noc[:, :1]))

    def behind(seen) -> None:
        losses = model.losses(seen, geometry, gt)
        sum(value for name, value in losses.items() if "loss" in name).backward()

    return (
        lambda: behind(model.maps(img, geometry)),
        lambda: behind(maps.map(lambda value: value.clone().requires_grad_())),
    )


def test_calls(model, batch) -> tuple[Callable[[], object], Callable[[], object]]:
    """A test of all patches, and its part behind the maps."""
    import torch

    from epropnp_det.object_pose.problem import problem_of_all_cells

    img, geometry, _ = batch
    with torch.no_grad():
        maps = model.maps(img, geometry)
    return (
        lambda: model.estimate(img, geometry),
        lambda: model.posterior(problem_of_all_cells(maps, geometry, model.points)),
    )


def image_call(model, number: int) -> Callable[[], object]:
    """From an image of 640x480 px and boxes of 80 px to the poses of its objects."""
    import numpy as np

    from epropnp_det.object_pose.inference import ObjectsInImage, estimate_poses

    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    matrix = np.array(((572.0, 0.0, 325.0), (0.0, 573.0, 242.0), (0.0, 0.0, 1.0)))
    boxes = np.array([(100.0 + 60 * index, 200.0, 80.0, 70.0) for index in range(number)])
    extents = np.full((number, 3), 0.06)
    objects = ObjectsInImage(image, matrix, boxes, extents, [0] * number)
    return lambda: estimate_poses(model, objects)


if __name__ == "__main__":
    sys.exit(main())
