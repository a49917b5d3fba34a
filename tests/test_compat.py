"""The version walls stay lifted."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import mmcv
import pytest
import torch
import torch.distributed as dist
from mmcv.parallel import DataContainer, MMDistributedDataParallel
from mmcv.parallel import _functions as copy_functions
from mmcv.runner import load_checkpoint
from torch import Tensor, nn

from epropnp_det import compat
from epropnp_det.errors import UserError
from tests.forked_processes import forked, free_port


class Doubler(nn.Module):
    """Asserts that what it gets is out of its container."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, img: Tensor, names: list[str]) -> Tensor:
        assert isinstance(img, Tensor) and names == ["a", "b"]
        return self.factor * img

    def train_step(self, data: dict, optimizer: object) -> dict:
        return dict(loss=self(**data).sum())

    val_step = train_step


class Touch:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


def batch() -> dict:
    return dict(
        img=DataContainer([torch.ones(2, 3)], stack=True),
        names=DataContainer([["a", "b"]], cpu_only=True),
    )


def test_mmdet3d_is_imported_and_mmcv_shows_its_version() -> None:
    assert (
        mmcv.__version__
        == importlib.metadata.version("mmcv-full")
        != compat.MMCV_VERSION_FOR_MMDET3D
    )
    assert importlib.import_module("mmdet3d").__version__ == "1.0.0rc6"
    importlib.import_module("mmdet3d.models")


def test_lifting_again_changes_nothing() -> None:
    before = (
        MMDistributedDataParallel.train_step,
        MMDistributedDataParallel.val_step,
        copy_functions._get_stream,
    )
    compat._lift_walls()
    assert before == (
        MMDistributedDataParallel.train_step,
        MMDistributedDataParallel.val_step,
        copy_functions._get_stream,
    )


def test_distributed_forward_unpacks_on_the_cpu(process_group: None) -> None:
    model = MMDistributedDataParallel(Doubler())
    assert torch.equal(model(**batch()), torch.full((2, 3), 2.0))


@pytest.mark.parametrize("step", ["train_step", "val_step"])
def test_distributed_step_unpacks_on_the_cpu_and_averages_gradients(
    process_group: None, step: str
) -> None:
    model = MMDistributedDataParallel(Doubler())
    loss = getattr(model, step)(batch(), None)["loss"]
    loss.backward()
    assert loss.item() == 12.0
    assert model.module.factor.grad.item() == 6.0


def test_copy_streams_take_the_number_of_a_device() -> None:
    if torch.cuda.is_available():
        assert isinstance(copy_functions._get_stream(0), torch.cuda.Stream)
    else:
        assert copy_functions._get_stream(0) is None


def test_checkpoint_loader_of_mmcv_runs_no_code(tmp_path: Path) -> None:
    made = tmp_path / "made"
    torch.save(dict(state_dict=Doubler().state_dict(), extra=Touch(made)), tmp_path / "a.pth")
    made.unlink(missing_ok=True)
    with pytest.raises(UserError, match="holds Python code"):
        load_checkpoint(Doubler(), str(tmp_path / "a.pth"))
    assert not made.exists()


def test_checkpoint_loader_of_mmcv_loads_weights(tmp_path: Path) -> None:
    torch.save(dict(state_dict=dict(factor=torch.tensor(5.0))), tmp_path / "a.pth")
    model = Doubler()
    load_checkpoint(model, str(tmp_path / "a.pth"))
    assert model.factor.item() == 5.0


def test_without_a_launcher_there_is_no_process_group() -> None:
    assert compat.init_distributed("none", "cpu") == torch.device("cpu")
    assert not dist.is_initialized()
    with pytest.raises(ValueError, match="launcher must be one of"):
        compat.init_distributed("mpi")


def test_a_launcher_without_its_environment_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"no RANK, WORLD_SIZE.*torchrun"):
        compat.init_distributed("pytorch", "cpu")
    with pytest.raises(UserError, match=r"no SLURM_PROCID.*srun"):
        compat.init_distributed("slurm", "cpu")
    with pytest.raises(UserError, match=r"cuda:1 is for one process"):
        compat.init_distributed("pytorch", "cuda:1")


def test_restarts_need_a_new_store_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    for name in (*names, "TORCHELASTIC_MAX_RESTARTS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    with pytest.raises(UserError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"):
        compat.init_distributed("pytorch", "cpu")


def join_slurm(task: int, port: int, answers: multiprocessing.SimpleQueue) -> None:
    os.environ.update(
        SLURM_PROCID=str(task), SLURM_NTASKS="2", SLURM_LOCALID=str(task), SLURM_NODELIST="node1"
    )
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    device = compat.init_distributed("slurm", "cpu")
    number = torch.tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(number)
    answers.put((dist.get_rank(), number.item(), str(device)))
    compat.leave_process_group()


def test_two_tasks_of_slurm_are_one_group() -> None:
    answers = multiprocessing.SimpleQueue()
    with forked(join_slurm, 2, free_port(), answers):
        assert sorted(answers.get() for _ in range(2)) == [(0, 3.0, "cpu"), (1, 3.0, "cpu")]
