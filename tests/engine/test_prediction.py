"""Predicting with any number of processes gives the results of one, in the dataset's order; the
seed is the only source of randomness.
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.parallel import DataContainer
from torch import Tensor
from torch.utils.data import Dataset

from epropnp_det.detection import Boxes3D, EProPnPDet
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.engine.prediction import predict_dataset
from epropnp_det.pnp import Camera
from tests.tolerances import EXACT

SMALL = (
    Path(__file__).parents[2] / "configs" / "detection" / "synthetic" / "epropnp_r18_synthetic.py"
)
SIZE = (96, 64)
CAMERA = Camera.for_image(
    torch.tensor([[90.0, 0.0, 48.0], [0.0, 90.0, 32.0], [0.0, 0.0, 1.0]]), SIZE
)


class Pictures(Dataset):
    """Item i is a random image of seed i, in containers as mmdet3d's pipelines make them."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict:
        img = torch.randn(3, *SIZE[::-1], generator=torch.Generator().manual_seed(index))
        meta = dict(img_shape=(*SIZE[::-1], 3), camera=CAMERA, index=index)
        return dict(
            img=DataContainer(img, stack=True), img_metas=DataContainer(meta, cpu_only=True)
        )


def small_config() -> Config:
    config = load_config(SMALL)
    start = dict(proposals=4, points=8, iterations=1)
    config.model.test_cfg.update(score_threshold=0.0, max_queries=12)
    config.model.test_cfg.pnp.update(lm_iterations=2, mc_samples=16, init=start)
    return config


@pytest.fixture(scope="module")
def model() -> EProPnPDet:
    """The small detector with random weights that let every kind of output vary."""
    torch.set_num_threads(1)  # processes are forked below
    torch.manual_seed(0)
    model = build_model(small_config()).eval()
    with torch.no_grad():
        for parameter in model.bbox_head.parameters():
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            parameter.add_(0.05 * noise)
    return model


def numbers(result: Boxes3D) -> dict[str, Tensor]:
    """The tensors of a result."""
    return {name: value for name, value in vars(result).items() if isinstance(value, Tensor)}


def listed(result: Boxes3D) -> dict[str, list]:
    """The same as lists, which pass through a queue."""
    return {name: value.tolist() for name, value in numbers(result).items()}


def equal(one: list[Boxes3D], other: list[Boxes3D]) -> bool:
    """Whether two lists of results are equal to the last bit."""
    pairs = [(numbers(a), numbers(b)) for a, b in zip(one, other, strict=True)]
    return all(torch.equal(a[name], b[name]) for a, b in pairs for name in a)


def work(
    rank: int,
    world_size: int,
    store: Path,
    model: EProPnPDet,
    count: int,
    answers: multiprocessing.SimpleQueue,
) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)
    torch.manual_seed(rank)
    results = predict_dataset(model, Pictures(count), workers=0)
    answers.put((rank, None if results is None else list(map(listed, results))))
    dist.barrier()


@pytest.mark.parametrize("world_size, count", [(2, 5), (3, 2)])
def test_many_processes_give_the_results_of_one(
    model, world_size: int, count: int, tmp_path: Path
) -> None:
    alone = predict_dataset(model, Pictures(count), workers=0)
    assert min(len(numbers(result)["score"]) for result in alone) > 3
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    processes = [
        context.Process(
            target=work, args=(rank, world_size, tmp_path / "store", model, count, answers)
        )
        for rank in range(world_size)
    ]
    for process in processes:
        process.start()
    found = dict(answers.get() for _ in processes)
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert found[0] == list(map(listed, alone))
    assert all(found[rank] is None for rank in range(1, world_size))


def test_a_seed_gives_the_same_bytes_and_another_seed_others(model) -> None:
    first, again, other = (
        predict_dataset(model, Pictures(2), workers=0, seed=seed) for seed in (3, 3, 4)
    )
    assert equal(first, again)
    for one, two in zip(map(numbers, first), map(numbers, other)):
        # A weak random start: some poses end in another minimum, none of the scores does.
        poses = {tuple(box) for box in one["pose"].tolist()}
        others = {tuple(box) for box in two["pose"].tolist()}
        assert poses != others


def test_an_image_does_not_depend_on_the_rest_of_the_set(model) -> None:
    assert equal(
        predict_dataset(model, Pictures(3), workers=0)[:2],
        predict_dataset(model, Pictures(2), workers=0),
    )


@torch.no_grad()
def test_an_image_does_not_depend_on_its_batch(model) -> None:
    """In float64, because a batch is convolved in another order of sums."""
    precise = build_model(small_config()).double().eval()
    precise.load_state_dict(model.state_dict())
    items = [Pictures(3)[index] for index in range(3)]
    img = torch.stack([item["img"].data for item in items]).double()
    metas = [item["img_metas"].data for item in items]

    def detect(chosen: slice) -> list[dict[str, Tensor]]:
        generators = [torch.Generator().manual_seed(7) for _ in metas[chosen]]
        found = precise.detect(img[chosen], metas[chosen], generators, mc_samples=16)
        return list(map(numbers, found))

    together = detect(slice(0, 3))
    for index in range(3):
        (alone,) = detect(slice(index, index + 1))
        assert len(alone["score"]) > 3
        for name, value in alone.items():
            torch.testing.assert_close(together[index][name], value, rtol=1e-5, atol=EXACT)


@torch.no_grad()
def test_pose_samples_depend_on_the_seed(model) -> None:
    item = Pictures(1)[0]
    img = item["img"].data[None]
    metas = [item["img_metas"].data]
    first, again, other = (
        model.detect(img, metas, [torch.Generator().manual_seed(seed)], mc_samples=16)[0]
        for seed in (3, 3, 4)
    )
    assert torch.equal(first.sample_pose, again.sample_pose)
    assert not torch.isin(first.sample_pose, other.sample_pose).any()


def test_outer_randomness_and_mode_are_left_as_they_were(model) -> None:
    model.train()
    state = torch.get_rng_state()
    predict_dataset(model, Pictures(1), workers=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    model.eval()


def test_loading_processes_change_nothing(model) -> None:
    assert equal(
        predict_dataset(model, Pictures(3), workers=2),
        predict_dataset(model, Pictures(3), workers=0),
    )
