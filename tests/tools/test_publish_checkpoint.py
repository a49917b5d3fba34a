"""What is published is the weights, all of them and nothing but them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmcv.runner import save_checkpoint
from torch import nn

from epropnp_det.engine.checkpoint import load_weights, read_checkpoint

TOOL = Path(__file__).parents[2] / "tools" / "publish_checkpoint.py"


def publish(*paths: Path | str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, paths)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def trained(tmp_path: Path) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    model = nn.Linear(64, 64)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 64)).sum().backward()
    optimizer.step()
    path = tmp_path / "iter_7.pth"
    save_checkpoint(
        model, str(path), optimizer=optimizer, meta=dict(iter=7, seed=3, hook_msgs=dict(last="x"))
    )
    return model, path


def test_weights_alone_are_left(trained, tmp_path):
    model, path = trained
    out = tmp_path / "out.pth"
    result = publish(path, out)
    assert result.returncode == 0, result.stderr
    published = read_checkpoint(out)
    assert published.keys() == {"meta", "state_dict"} and published["meta"] == dict(iter=7, seed=3)
    again = nn.Linear(64, 64)
    load_weights(again, out)
    assert torch.equal(again.weight, model.weight) and out.stat().st_size < path.stat().st_size / 2


def test_half_the_space_holds_the_weights_to_eleven_bits(trained, tmp_path):
    model, path = trained
    whole = tmp_path / "whole.pth"
    out = tmp_path / "half.pth"
    publish(path, whole)
    result = publish(path, out, "--half")
    assert result.returncode == 0, result.stderr
    assert whole.stat().st_size - out.stat().st_size > model.weight.numel()
    again = nn.Linear(64, 64)
    load_weights(again, out)
    assert again.weight.dtype == torch.float32 and torch.equal(again.bias, model.bias)
    torch.testing.assert_close(again.weight, model.weight, rtol=2**-11, atol=2**-24)


def test_mistakes_are_one_line(trained, tmp_path):
    for arguments, message in (
        ((tmp_path / "none.pth", tmp_path / "o.pth"), "none.pth does not exist"),
        ((trained[1], tmp_path), "is a folder"),
    ):
        result = publish(*arguments)
        assert (
            result.returncode == 2 and message in result.stderr and result.stderr.count("\n") == 1
        )
