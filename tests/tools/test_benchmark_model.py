"""The benchmark of the detector times the calls of a training and of a test."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from epropnp_det.detection.data import nuscenes_convert
from tests.nuscenes_factory import VERSION, write_database

TOOL = Path(__file__).parents[2] / "tools" / "benchmark_model.py"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_model", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark_model"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_database(tmp_path_factory.mktemp("nuscenes") / "data")
    nuscenes_convert.write_annotation_files(str(folder), VERSION, None)
    return Path(folder)


def test_every_call_is_timed_for_both_models(tool: ModuleType, root: Path) -> None:
    result = tool.measured(tool.PAIRS["small"], root, 1, CPU)
    for model in ("ours", "FCOS3D"):
        assert all(
            result[model][what]["median"] > 0 for what in ("training step", "inference", "loading")
        )
    assert list(result["layer"]) == tool.implementations(CPU)
    for times in result["layer"].values():
        assert times["training step"]["median"] > 0
    # A part takes less than the whole.
    assert (
        result["layer"][tool.implementations(CPU)[-1]]["training step"]["median"]
        < result["ours"]["training step"]["median"]
    )


def test_the_layer_alone_gives_gradients_to_the_predictions(tool: ModuleType, root: Path) -> None:
    config = tool.load_config_on(tool.PAIRS["small"].ours, root)
    model = tool.build_seeded_model(config, CPU)
    batch = tool.load_batch(config, "train", 1, CPU)
    before = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    call = tool.layer_in_training(model, batch)
    seen = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    call()
    assert all(value is None for value in before) and seen
    # The part runs on copies of the predictions: the network behind them gets nothing.
    assert all(
        torch.equal(a, b)
        for a, b in zip(seen, (p.grad for p in model.parameters() if p.grad is not None))
    )


def test_the_share_is_that_of_a_call_with_this_implementation_in_it(tool: ModuleType) -> None:
    def spent(value: float) -> dict[str, float]:
        return dict(median=value, least=value, greatest=value)

    models = {what: spent(100.0) for what in ("training step", "inference", "loading")}
    layer = {
        "torch": {"training step": spent(110.0), "inference": spent(10.0)},
        "cpp": {"training step": spent(10.0), "inference": spent(5.0)},
    }
    row = tool.row("small", "training step", dict(ours=models, FCOS3D=models, layer=layer))
    # 100 ms with the compiled layer's 10 in it: 90 without, 200 with plain torch.
    assert [int(share) for share in re.findall(r"\((\d+)%\)", row)] == [55, 10]
