"""Two processes with an image each train FCOS3D as one process with both."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmcv import Config
from mmdet3d.core.bbox import CameraInstance3DBoxes
from mmdet3d.models import build_model
from mmdet3d.models.dense_heads import FCOSMono3DHead
from torch import Tensor, nn

from tests.forked_processes import forked
from tests.tolerances import PROCESSES

from ..small import scene

SMALL = Path(__file__).parents[3] / "configs" / "_base_" / "models" / "fcos3d_small.py"
STEPS = 20
SIZE = (128, 224)


@pytest.fixture
def head() -> nn.Module:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    head = build_model(Config.fromfile(str(SMALL)).model).bbox_head
    head.init_weights()
    return head.train()


def features(images: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(-(-SIZE[0] // stride), -(-SIZE[1] // stride)) for stride in (8, 16, 32, 64, 128)]
    return [torch.randn(images, 64, *shape, generator=generator) for shape in shapes]


def truth(boxes: int, seed: int) -> tuple:
    """Ground truth of an image, in the order of the head's loss."""
    gt = scene(boxes, seed)
    box3d = torch.cat((gt.pose[:, :3], gt.size, gt.pose[:, 3:], gt.velocity), 1)
    box3d = CameraInstance3DBoxes(box3d, box_dim=9, origin=(0.5, 0.5, 0.5))
    return gt.box2d, gt.label, box3d, gt.label, gt.center2d, gt.pose[:, 2], gt.attribute


def train(head: nn.Module, feats: list[Tensor], gts: list[tuple]) -> dict[str, Tensor]:
    """(STEPS,) losses of this process by name; gradients are averaged over the processes."""
    optimizer = torch.optim.SGD(head.parameters(), lr=1e-3)
    records = []
    for _ in range(STEPS):
        losses = head.loss(*head(feats), *map(list, zip(*gts)), [{}] * len(gts))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        for parameter in head.parameters() if dist.is_initialized() else ():
            dist.all_reduce(parameter.grad.div_(2))
        optimizer.step()
        records.append(losses)
    return {name: torch.stack([each[name] for each in records]).detach() for name in records[0]}


def work(rank: int, folder: Path, head: nn.Module, feats: list[Tensor], gts: list[tuple]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    mine = [level[rank : rank + 1] for level in feats]
    torch.save(train(head, mine, gts[rank : rank + 1]), folder / f"{rank}.pt")
    dist.barrier()


@pytest.mark.parametrize("boxes", [(4, 3), (5, 0)])
def test_two_processes_have_the_losses_of_one(
    head: nn.Module, tmp_path: Path, boxes: tuple[int, int]
) -> None:
    """Also where one of them has no box in any step."""
    feats = features(2)
    gts = [truth(number, seed) for seed, number in enumerate(boxes)]
    with forked(work, 2, tmp_path, head, feats, gts, timeout=300):
        one = train(head, feats, gts)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert len(one) == 9
    for name, expected in one.items():
        mean = (first[name] + second[name]) / 2
        torch.testing.assert_close(mean, expected, rtol=PROCESSES, atol=PROCESSES, msg=name)
    # The process without boxes is not an outlier.
    assert (second["loss_cls"] <= 2 * first["loss_cls"]).all()


def test_one_process_has_the_losses_of_mmdet3d(head: nn.Module) -> None:
    found = []
    for _ in range(2):
        gt = [[value] for value in truth(4, 0)]  # mmdet3d changes the yaw in place
        losses = head.loss(*head(features(1)), *gt, [{}])
        found.append({name: loss.item() for name, loss in losses.items()})
        head.__class__ = FCOSMono3DHead
    assert found[0] == found[1]
