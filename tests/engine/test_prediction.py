"""Predicting with any number of processes gives the results of one, in the dataset's order."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmcv.parallel import DataContainer
from torch import Tensor, nn
from torch.utils.data import Dataset

from epropnp_det.engine.prediction import predict_dataset


class Numbers(Dataset):
    """Item i holds the number i, in a container as mmdet3d's pipelines make them."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict:
        image = DataContainer(torch.full((1, 1, 1), float(index)), stack=True)
        return dict(img=image, img_metas=DataContainer(dict(index=index), cpu_only=True))


class Echo(nn.Module):
    """Returns the number and a random one, which tells whether randomness depends on the image
    alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(1))

    def forward(
        self, img: Tensor, img_metas: list[dict], return_loss: bool, rescale: bool
    ) -> list[dict]:
        assert not self.training and not return_loss and len(img_metas) == 1
        return [
            dict(
                number=(img[0] + self.zero).item(),
                index=img_metas[0]["index"],
                random=torch.rand(()).item(),
            )
        ]


def work(
    rank: int, world_size: int, store: Path, count: int, answers: multiprocessing.SimpleQueue
) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)
    torch.manual_seed(rank)
    answers.put((rank, predict_dataset(Echo(), Numbers(count), workers=0)))
    dist.barrier()


@pytest.mark.parametrize("world_size, count", [(2, 6), (2, 5), (3, 7), (3, 2)])
def test_many_processes_give_the_results_of_one(
    world_size: int, count: int, tmp_path: Path
) -> None:
    alone = predict_dataset(Echo(), Numbers(count), workers=0)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    processes = [
        context.Process(target=work, args=(rank, world_size, tmp_path / "store", count, answers))
        for rank in range(world_size)
    ]
    for process in processes:
        process.start()
    found = dict(answers.get() for _ in processes)
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert found[0] == alone
    assert all(found[rank] is None for rank in range(1, world_size))
    assert [result["index"] for result in alone] == list(range(count))


def test_outer_randomness_and_mode_are_left_as_they_were() -> None:
    model = Echo().train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    predict_dataset(model, Numbers(3), workers=0)
    assert torch.equal(torch.rand(3), expected)
    assert model.training


def test_loading_processes_change_nothing() -> None:
    assert predict_dataset(Echo(), Numbers(4), workers=2) == predict_dataset(
        Echo(), Numbers(4), workers=0
    )
