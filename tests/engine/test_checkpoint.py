"""Code in a checkpoint is never run; the error of one that does not fit names the keys."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from epropnp_det import compat  # noqa: F401
from epropnp_det.engine.checkpoint import (
    load_matching_weights,
    load_weights,
    match_keys,
    read_checkpoint,
)
from epropnp_det.errors import UserError


class Touch:
    """Unpickled by anything that runs code, it makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def saved(path: Path, content) -> Path:
    torch.save(content, path)
    return path


def test_weights_return_exactly(model: nn.Module, tmp_path: Path) -> None:
    path = saved(
        tmp_path / "a.pth",
        dict(
            state_dict={f"module.{key}": value for key, value in model.state_dict().items()},
            meta={},
        ),
    )
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    load_weights(other, path)
    for key, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)


def test_own_training_checkpoint_needs_no_code(model: nn.Module, tmp_path: Path) -> None:
    from mmcv.runner import save_checkpoint

    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    meta = dict(
        epoch=1, iter=7, seed=0, config="a = 1", hook_msgs=dict(best_score=0.5), CLASSES=("car",)
    )
    save_checkpoint(model, str(tmp_path / "a.pth"), optimizer=optimizer, meta=meta)
    checkpoint = read_checkpoint(tmp_path / "a.pth")
    assert checkpoint["meta"]["iter"] == 7
    assert torch.equal(
        checkpoint["optimizer"]["state"][0]["exp_avg"],
        optimizer.state_dict()["state"][0]["exp_avg"],
    )


def test_buffers_that_a_model_makes_anew_are_not_loaded(tmp_path: Path) -> None:
    from mmcv.runner import save_checkpoint

    class Scaled(nn.Linear):
        def __init__(self, scale: float):
            super().__init__(2, 2)
            self.register_buffer("scale", torch.tensor(scale), persistent=False)

    save_checkpoint(Scaled(1.0), str(tmp_path / "a.pth"))  # mmcv writes them
    model = Scaled(2.0)
    load_weights(model, tmp_path / "a.pth")
    assert model.scale.item() == 2.0


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_checkpoint(tmp_path / "a.pth")
    with pytest.raises(UserError, match="is a folder"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"hello, this is a text\n" * 20, b"\x89PNG\r\n\x1a\n" + bytes(200)]
)
def test_other_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(UserError, match="truncated or not a checkpoint"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_truncated_file(model: nn.Module, tmp_path: Path, share: float) -> None:
    path = saved(tmp_path / "a.pth", dict(state_dict=model.state_dict()))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="truncated or not a checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("as_zip", [True, False])
def test_code_in_a_file_is_refused_and_not_run(
    model: nn.Module, tmp_path: Path, as_zip: bool
) -> None:
    path = tmp_path / "a.pth"
    made = tmp_path / "made"
    content = dict(state_dict=model.state_dict(), extra=Touch(made))
    torch.save(content, path) if as_zip else path.write_bytes(pickle.dumps(Touch(made), protocol=2))
    made.unlink(missing_ok=True)
    with pytest.raises(UserError, match="holds Python code or objects"):
        read_checkpoint(path)
    assert not made.exists()


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"a": 1},
        {"state_dict": {}},
        {},
        torch.ones(3),
        {"state_dict": {b"weight": torch.ones(1)}},
        {0: torch.ones(1)},
    ],
)
def test_file_without_weights(content, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no model weights"):
        read_checkpoint(saved(tmp_path / "a.pth", content))


def test_another_architecture_names_the_keys(model: nn.Module, tmp_path: Path) -> None:
    other = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2, bias=False))
    path = saved(tmp_path / "a.pth", dict(state_dict=other.state_dict()))
    with pytest.raises(UserError) as caught:
        load_weights(model, path)
    message = str(caught.value)
    assert "2 missing (1.weight, 1.bias)" in message
    assert "1 unexpected (2.weight)" in message
    assert "2 of another shape (0.bias, 0.weight)" in message


def test_only_the_first_keys_are_named() -> None:
    match = match_keys(nn.Sequential(*(nn.Linear(1, 1) for _ in range(4))), {})
    assert str(match) == "8 missing (0.weight, 0.bias, 1.weight, ...)"


def test_matching_weights_are_taken_and_others_left(model: nn.Module, tmp_path: Path) -> None:
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3))
    before = model[1].weight.clone()
    match = load_matching_weights(model, saved(tmp_path / "a.pth", other.state_dict()))
    assert match.matched == 2
    assert torch.equal(model[0].weight, other[0].weight)
    assert torch.equal(model[1].weight, before)


def test_nothing_in_common_is_an_error(model: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="shares no weight"):
        load_matching_weights(model, saved(tmp_path / "a.pth", {"z": torch.ones(1)}))
