"""Two processes with an image each train as one process with both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from epropnp_det.detection.heads.pnp_head import EProPnPHead
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.detection.structures.ground_truth import GroundTruth
from epropnp_det.pnp import Camera
from tests.forked_processes import forked
from tests.tolerances import PROCESSES

from ..small import CAMERA, build, scene

STEPS = 20
# The losses that draw no random numbers where each box has one point.
EXACT = (
    "loss_cls",
    "loss_reference",
    "loss_centerness",
    "loss_bbox",
    "loss_size",
    "loss_velocity",
    "loss_attribute",
)


@pytest.fixture()
def head(recorded_step) -> EProPnPHead:
    torch.manual_seed(0)
    head = build(recorded_step["cfg"], released_mask=False)
    head.init_weights()
    head.assignment = replace(head.assignment, radius=0.5)  # one point for each box
    head.queries_per_image = 16
    return head.train()


def train(head: EProPnPHead, feats: list[torch.Tensor], gts: list[GroundTruth]) -> torch.Tensor:
    """(STEPS, losses) losses of this process on B images; gradients are averaged."""
    size = torch.tensor([[224.0, 128.0]]).expand(len(gts), 2)
    geometry = ImageGeometry(Camera.stack([CAMERA] * len(gts)), size)
    optimizer = torch.optim.SGD(head.parameters(), lr=1e-3)
    together = dist.is_initialized()
    records = []
    for step in range(STEPS):
        losses = head.loss(feats, geometry, gts, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        exact = [losses[name] for name in EXACT]
        sum(exact).backward()
        for parameter in head.parameters() if together else ():
            gradient = parameter.grad
            gradient = torch.zeros_like(parameter) if gradient is None else gradient
            dist.all_reduce(gradient.div_(2))
            parameter.grad = gradient
        optimizer.step()
        records.append(torch.stack(exact).detach())
    return torch.stack(records)


def work(rank: int, folder: Path, head: EProPnPHead, feats: list, gts: list) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    mine = [level[rank : rank + 1] for level in feats]
    torch.save(train(head, mine, gts[rank : rank + 1]), folder / f"{rank}.pt")
    dist.barrier()


@pytest.mark.parametrize("recorded_step", ["v2"], indirect=True)
@pytest.mark.parametrize("boxes", [(4, 3), (5, 0)])
def test_two_processes_have_the_losses_of_one(
    head, recorded_step, tmp_path: Path, boxes: tuple[int, int]
) -> None:
    """Also where one of them has no box in any step."""
    feats = [feature.clone() for feature in recorded_step["feats"]]
    gts = [scene(number, seed=seed) for seed, number in enumerate(boxes)]
    with forked(work, 2, tmp_path, head, feats, gts, timeout=300):
        one = train(head, feats, gts)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    torch.testing.assert_close((first + second) / 2, one, rtol=PROCESSES, atol=PROCESSES)
    # The process without boxes is not an outlier.
    assert (second[:, 0] <= 2 * first[:, 0]).all()
