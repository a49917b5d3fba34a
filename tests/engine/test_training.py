"""A training checks its data first, and gives each model the random numbers that it takes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from epropnp_det.engine import training
from epropnp_det.engine.config import load_config, move_data_root
from epropnp_det.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs" / "detection"
FULL = CONFIGS / "nuscenes" / "epropnp_v2_r101_12e_nuscenes.py"
DEBUG = CONFIGS / "debug" / "one_frame.py"
CPU = torch.device("cpu")


class Model(nn.Module):
    """Takes no generator, as the detectors of mmdet3d."""

    def train_step(self, data: dict, optimizer: object) -> dict:
        return {}


class ModelWithGenerator(nn.Module):
    def train_step(self, data: dict, optimizer: object, generator: torch.Generator) -> dict:
        return dict(loss=torch.rand((), generator=generator))


def test_missing_data_ends_a_training_before_weights_are_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(model: nn.Module) -> None:
        raise AssertionError("weights before data")

    monkeypatch.setattr(training, "init_weights", download)
    config = move_data_root(load_config(FULL), tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"nowhere/nuscenes_infos_train_mono3d\.coco\.json"):
        training.train(config, training.TrainingOptions(tmp_path, CPU))


@pytest.mark.parametrize("evaluation", [None, dict(interval=None)])
def test_a_config_without_evaluation_loads_no_validation_set(evaluation: dict | None) -> None:
    config = load_config(FULL)
    config.evaluation = evaluation
    assert training._validation_set(config) is None


def test_a_model_with_a_generator_draws_from_it() -> None:
    model = ModelWithGenerator()
    first, again, other = (
        model.train_step({}, None, **training._step_arguments(model, generator))["loss"]
        for generator in (torch.Generator().manual_seed(seed) for seed in (3, 3, 4))
    )
    assert first == again != other


def test_a_model_without_a_generator_is_called_without_one() -> None:
    assert training._step_arguments(Model(), torch.Generator()) == {}


def test_a_hook_that_does_not_take_its_settings_is_named(tmp_path: Path) -> None:
    config = load_config(DEBUG, {"lr_config.policy": "step", "lr_config.step": [8, 11]})
    model = Model()
    model.weight = nn.Parameter(torch.zeros(1))
    wrapped = training.wrap_model(model, CPU, False)
    options = training.TrainingOptions(tmp_path, CPU)
    runner = training._build_runner(wrapped, config, options, logging.getLogger("test"), "now")
    with pytest.raises(UserError, match=r"hook settings of .*one_frame.*'min_lr_ratio'"):
        training._register_hooks(runner, config, None)


def test_keys_that_a_training_needs_are_named(tmp_path: Path) -> None:
    config = load_config(DEBUG)
    del config._cfg_dict["runner"]
    with pytest.raises(UserError, match="has no 'runner'"):
        training.train(config, training.TrainingOptions(tmp_path, CPU))


class ModelThatFails(nn.Module):
    """Raises an exception in one of its steps."""

    def __init__(self, step: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.steps_left = step

    def train_step(self, data: dict, optimizer: object) -> dict:
        self.steps_left -= 1
        if self.steps_left == 0:
            raise RuntimeError("sizes of tensors must match")
        return dict(loss=self.weight.sum(), log_vars={}, num_samples=1)


@pytest.mark.parametrize("step", [1, 2])
def test_the_first_step_alone_fails_in_one_line(tmp_path: Path, step: int) -> None:
    config = load_config(DEBUG, {"runner.max_iters": 3})
    wrapped = training.wrap_model(ModelThatFails(step), CPU, False)
    options = training.TrainingOptions(tmp_path, CPU)
    runner = training._build_runner(wrapped, config, options, logging.getLogger("test"), "now")
    file = tmp_path / "traceback.txt"
    fault = r"the first step with .*one_frame\.py failed \(traceback: .*txt\): sizes of tensors"
    expected = (UserError, fault) if step == 1 else (RuntimeError, "^sizes of tensors must match$")
    with pytest.raises(expected[0], match=expected[1]):
        with training.first_step_in_one_line(runner, config, file):
            runner.run([DataLoader([dict(x=torch.zeros(1))] * 3)], [("train", 1)])
    assert file.exists() == (step == 1)
    if step == 1:
        assert "in train_step" in file.read_text()


class ModelOfNaN(nn.Module):
    """Its loss is NaN."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def train_step(self, data: dict, optimizer: object) -> dict:
        return dict(loss=(self.weight * torch.nan).sum(), log_vars={}, num_samples=1)


@pytest.mark.parametrize(
    "optimizer_config",
    [
        dict(),
        dict(type="OptimizerHook", grad_clip=dict(max_norm=5), detect_anomalous_params=True),
        dict(type="GradientCumulativeOptimizerHook", cumulative_iters=2),
        dict(type="FiniteOptimizerHook", grad_clip=None),
    ],
    ids=lambda settings: settings.get("type"),
)
def test_whatever_the_optimizer_hook_steps_that_are_not_finite_end_the_training(
    tmp_path: Path, optimizer_config: dict
) -> None:
    config = load_config(DEBUG, {"runner.max_iters": 10})
    config.optimizer_config = dict(optimizer_config, max_skipped=3)
    model = ModelOfNaN()
    wrapped = training.wrap_model(model, CPU, False)
    options = training.TrainingOptions(tmp_path, CPU)
    runner = training._build_runner(wrapped, config, options, logging.getLogger("test"), "now")
    training._register_hooks(runner, config, None)
    batches = [dict(x=torch.zeros(1), img_metas=dict(filename="street.jpg"))] * 10
    loader = DataLoader(batches, collate_fn=lambda items: items[0])
    with pytest.raises(UserError, match=r"3 steps in a row are not finite.*with street\.jpg;"):
        runner.run([loader], [("train", 1)])
    assert torch.equal(model.weight, torch.ones(1))


def test_the_hooks_of_mmcv_for_half_precision_have_another_way(tmp_path: Path) -> None:
    config = load_config(DEBUG)
    config.optimizer_config = dict(type="Fp16OptimizerHook", loss_scale="dynamic")
    wrapped = training.wrap_model(ModelOfNaN(), CPU, False)
    options = training.TrainingOptions(tmp_path, CPU)
    runner = training._build_runner(wrapped, config, options, logging.getLogger("test"), "now")
    with pytest.raises(UserError, match=r"Fp16OptimizerHook.*MixedPrecisionHook"):
        training._register_hooks(runner, config, None)
