"""Training in half precision is training in float32 but for rounding; evaluation stays in
float32.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmcv.cnn import ConvModule
from mmcv.ops import ModulatedDeformConv2dPack
from mmcv.runner import HOOKS, LogBuffer
from torch import Tensor, nn

from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.engine.hooks.finite_optimizer import FiniteOptimizerHook
from epropnp_det.engine.hooks.mixed_precision import (
    DTYPES,
    MixedPrecisionHook,
    run_convolutions_in,
)
from epropnp_det.engine.training import init_weights
from epropnp_det.errors import UserError
from epropnp_det.pnp import Camera
from tests import tolerances as tol
from tests.detection.small import CAMERA, scene
from tests.object_pose.small import batch, small_estimator

from .tiny_training import assert_same, start, wait, write_config

SMALL = Path(__file__).parents[2] / "configs/detection/synthetic/epropnp_r18_synthetic.py"


class Net(nn.Module):
    """A backbone with two levels, a neck shared by both, a plain convolution that stays as it
    is.
    """

    def __init__(self):
        super().__init__()
        self.backbone = Levels()
        self.neck = ConvModule(16, 16, 3, padding=1, norm_cfg=dict(type="GN", num_groups=4))
        self.predict = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        return sum(self.predict(self.neck(level)).mean() for level in self.backbone(x))


class Levels(nn.Module):
    """A plain convolution and a depthwise one of stride 2."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16)

    def forward(self, x):
        fine = self.first(x)
        return fine, self.second(fine)


@pytest.fixture(
    params=[("bfloat16", False), ("bfloat16", True), ("float16", False)],
    ids=["bfloat16", "bfloat16-channels_last", "float16"],
)
def reduction(request: pytest.FixtureRequest) -> tuple[torch.dtype, bool]:
    """Half precision, and whether the memory order is channels-last."""
    name, channels_last = request.param
    return DTYPES[name], channels_last


@pytest.fixture
def nets(reduction: tuple[torch.dtype, bool]) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    plain = Net()
    reduced = copy.deepcopy(plain)
    dtype, channels_last = reduction
    run_convolutions_in(dtype, reduced, channels_last)
    return plain, reduced


IMAGE = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def test_gradients_are_those_of_float32_but_for_rounding(nets):
    for net in nets:
        net.train()(IMAGE).backward()
    for wanted, got in zip(*(net.parameters() for net in nets)):
        assert got.grad.dtype == torch.float32
        assert (got.grad - wanted.grad).norm() <= tol.BFLOAT16 * wanted.grad.norm() + tol.BFLOAT16


def test_convolutions_compute_in_half_precision_and_return_float32(nets, reduction):
    seen = []
    reduced = nets[1].train()
    reduced.neck.conv.register_forward_hook(
        lambda module, inputs, output: seen.append(output.dtype)
    )
    levels = reduced.backbone(IMAGE)
    reduced.neck(levels[0])
    assert seen == [reduction[0]] and all(level.dtype == torch.float32 for level in levels)


def test_evaluation_is_bit_for_bit_float32(nets):
    plain, reduced = (net.eval() for net in nets)
    assert torch.equal(plain(IMAGE), reduced(IMAGE))


def test_slow_depthwise_convolutions_stay_float32_in_channels_last_order(nets, reduction):
    reduced = nets[1].train()
    seen = {}
    for name in ("first", "second"):
        reduced.backbone.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.update(
                {name: (output.dtype, output.is_contiguous(memory_format=torch.channels_last))}
            )
        )
    levels = reduced.backbone(IMAGE)
    assert all(level.is_contiguous() for level in levels)
    dtype, channels_last = reduction
    assert seen["first"] == (dtype, channels_last)
    assert seen["second"][0] == (torch.float32 if channels_last else dtype)


def test_deformable_convolutions_compute_in_float32_where_bfloat16_has_no_kernel() -> None:
    net = nn.Module()
    net.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), ModulatedDeformConv2dPack(4, 4, 3, padding=1))
    run_convolutions_in(torch.bfloat16, net)
    seen = []
    net.backbone[1].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    net.train().backbone(IMAGE).sum().backward()
    assert seen == [torch.float32]


def test_the_neck_of_plain_convolutions_computes_in_half_precision() -> None:
    net = nn.Module()
    net.backbone = nn.Conv2d(3, 4, 3)
    net.neck = nn.Sequential(nn.ConvTranspose2d(4, 4, 2), nn.BatchNorm2d(4))
    net.head = nn.Conv2d(4, 1, 1)
    run_convolutions_in(torch.bfloat16, net)
    seen = {}
    for part in (net.neck[0], net.head):
        part.register_forward_hook(lambda module, inputs, output: seen.update({module: output}))
    net.train().head(net.neck(net.backbone(IMAGE)))
    assert seen[net.head].dtype == torch.float32
    exact = nn.functional.conv_transpose2d(
        net.backbone(IMAGE), net.neck[0].weight, net.neck[0].bias
    )
    assert seen[net.neck[0]].dtype == torch.float32
    assert not torch.equal(seen[net.neck[0]], exact)  # bfloat16 inside


def test_the_former_name_of_the_hook_trains_in_bfloat16() -> None:
    hook = HOOKS.build(dict(type="Bfloat16Hook", channels_last=True))
    assert isinstance(hook, MixedPrecisionHook)
    assert (hook.dtype, hook.channels_last) == (torch.bfloat16, True)


def runner_in_float16(net: nn.Module, scale: float) -> SimpleNamespace:
    """A runner whose hooks have begun to train in float16 with this scale of the loss."""
    hooks = [FiniteOptimizerHook(), MixedPrecisionHook("float16", loss_scale=scale)]
    model = nn.Module()
    model.module = net
    runner = SimpleNamespace(model=model, hooks=hooks, meta={}, iter=0, log_buffer=LogBuffer())
    runner.optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    hooks[1].before_run(runner)
    return runner


def step(runner: SimpleNamespace, loss: Tensor) -> None:
    runner.outputs = dict(loss=loss)
    runner.hooks[0].after_train_iter(runner)


def test_a_scaled_loss_makes_the_step_of_the_loss() -> None:
    """A gradient of 1e-8 is below the least number of float16; times the scale it is not."""
    net = nn.Module()
    net.backbone = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.zeros_(net.backbone.weight)
    runner = runner_in_float16(net.train(), 2.0**16)
    step(runner, net.backbone(torch.ones(1, 1, 1, 1)).sum() * 1e-8)
    got = -net.backbone.weight.detach().flatten()
    torch.testing.assert_close(got, torch.tensor([1e-8]), rtol=tol.FLOAT16, atol=0)


def test_a_scale_that_is_too_large_is_halved_until_the_gradient_is_finite() -> None:
    net = nn.Module()
    net.backbone = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.zeros_(net.backbone.weight)
    runner = runner_in_float16(net.train(), 2.0**18)
    weights = []
    for _ in range(4):
        step(runner, net.backbone(torch.ones(1, 1, 1, 1)).sum())
        weights.append(net.backbone.weight.item())
    # 2^16 is the least power of two above the greatest number of float16.
    assert weights == [0, 0, 0, -1]
    log = runner.log_buffer.val_history
    assert log["grad_scale"] == [2.0**17, 2.0**16, 2.0**15, 2.0**15]
    assert log["skipped_steps"] == [1, 1, 1, 0]
    assert runner.meta["fp16"]["loss_scaler"]["scale"] == 2.0**15


def test_float16_needs_the_hook_that_scales() -> None:
    with pytest.raises(UserError, match="FiniteOptimizerHook"):
        MixedPrecisionHook("float16").before_run(
            SimpleNamespace(model=SimpleNamespace(module=nn.Module()), hooks=[])
        )


def detector() -> nn.Module:
    torch.manual_seed(0)
    config = load_config(SMALL)
    config.model.train_cfg.pnp.update(mc_samples=32, lm_iterations=3)
    config.model.train_cfg.pnp.init.update(proposals=8)
    model = build_model(config)
    init_weights(model)
    return model


def losses_of_detector(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    image = torch.randn(2, 3, 128, 224, generator=torch.Generator().manual_seed(0))
    geometry = ImageGeometry(
        Camera.stack([CAMERA] * 2), torch.tensor([[224.0, 128.0]]).expand(2, 2)
    )
    gts = [scene(4, seed=seed) for seed in range(2)]
    return model.bbox_head.loss(model.extract_feat(image), geometry, gts, generator)


def estimator() -> nn.Module:
    model = small_estimator()
    nn.init.normal_(model.head.output.weight, std=0.3)
    return model


def losses_of_estimator(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    return model(**batch(), generator=generator)


@pytest.mark.parametrize(
    "build, losses_of, last",
    [
        (detector, losses_of_detector, "bbox_head.objects"),
        (estimator, losses_of_estimator, "head"),
    ],
    ids=["detection", "object_pose"],
)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_the_layer_gets_float32_and_the_losses_are_those_of_float32_but_for_rounding(
    build: Callable, losses_of: Callable, last: str, dtype: torch.dtype
) -> None:
    """Args: the model, its losses, and the module whose output the layer solves."""
    plain = build().train()
    reduced = copy.deepcopy(plain)
    run_convolutions_in(dtype, reduced)
    seen = []
    reduced.get_submodule(last).register_forward_hook(
        lambda module, inputs, output: seen.extend(vars(output).values())
    )
    sums = []
    for model in (plain, reduced):
        losses = losses_of(model, torch.Generator().manual_seed(0))
        sums.append(sum(value for name, value in losses.items() if name.startswith("loss")))
    torch.testing.assert_close(sums[1], sums[0], rtol=tol.HALF_PRECISION_LOSS, atol=0)
    assert not torch.equal(sums[1], sums[0])
    assert seen and {value.dtype for value in seen if isinstance(value, Tensor)} == {torch.float32}
    sums[1].backward()
    gradients = [each.grad for each in reduced.parameters() if each.grad is not None]
    assert all(gradient.dtype == torch.float32 for gradient in gradients)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_training_in_half_precision_resumes_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    config = write_config(tmp_path, "iterations")
    hook = dict(type="MixedPrecisionHook", dtype=dtype)
    options = {"custom_hooks": [hook]}
    whole = start(config, options=options, work_dir=tmp_path / "whole")
    cut = start(config, options={**options, "model.kill_at": 9}, work_dir=tmp_path / "cut")
    assert wait(whole) == [0] and wait(cut) == [-9]
    resumed = start(config, options=options, work_dir=tmp_path / "cut", resume=True)
    assert wait(resumed) == [0]
    first, second = (read_checkpoint(tmp_path / run / "iter_11.pth") for run in ("whole", "cut"))
    assert_same(first["state_dict"], second["state_dict"])
    if dtype == "float16":
        assert first["meta"]["fp16"] == second["meta"]["fp16"]
