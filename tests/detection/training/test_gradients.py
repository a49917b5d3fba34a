"""Where gradients of the pose losses flow: everywhere, or as in the released v1 and v1b
programs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmcv import Config
from mmdet3d.models import build_head
from torch import Tensor

from epropnp_det.detection.heads.pnp_head import build_problem
from epropnp_det.detection.structures.predictions import ObjectPredictions
from epropnp_det.detection.training.object_losses import GradientSettings, with_constant_scales
from epropnp_det.pnp import gauss_newton_step
from tests.tolerances import EXACT

from ..heads.test_flip_tta import predictions
from ..small import CAMERA, geometry_of_recording

CONFIGS = Path(__file__).parents[3] / "configs" / "detection" / "released"
POSE = torch.tensor([0.3, 0.5, 9.0, 0.4], dtype=torch.float64)


def learnt(seed: int = 0) -> tuple[dict[str, Tensor], ObjectPredictions]:
    """Leaves, and predictions that are made of them as the head does it."""
    drawn = predictions(seed=seed)
    leaves = dict(
        noc=drawn.noc,
        x2d=drawn.x2d,
        logits=drawn.w2d_share * 10,
        w2d_scale=drawn.w2d_scale,
        size=drawn.size,
    )
    leaves = {name: value.clone().requires_grad_() for name, value in leaves.items()}
    share = leaves["logits"].softmax(1)
    return leaves, replace(
        drawn,
        w2d_share=share,
        **{name: leaves[name] for name in ("noc", "x2d", "w2d_scale", "size")},
    )


def reached(value: Tensor, leaves: dict[str, Tensor]) -> set[str]:
    """Names of the leaves that a gradient of the value reaches, rounding apart."""
    gradients = torch.autograd.grad(
        value.square().sum(), list(leaves.values()), allow_unused=True, retain_graph=True
    )
    largest = max(gradient.abs().max() for gradient in gradients if gradient is not None)
    return {
        name
        for name, gradient in zip(leaves, gradients)
        if gradient is not None and gradient.abs().max() > EXACT * largest
    }


def test_threshold_reaches_image_points_or_not():
    leaves, seen = learnt()
    camera = CAMERA[None].expand(5)
    # The logits do not matter: a softmax has the same mean whatever they are.
    assert reached(build_problem(seen, camera).delta, leaves) == {"x2d", "w2d_scale"}
    assert reached(build_problem(seen, camera, through_x2d=False).delta, leaves) == {"w2d_scale"}


def test_step_reaches_scales_or_not_and_is_the_same():
    leaves, seen = learnt()
    problem = build_problem(seen, CAMERA[None].expand(5))
    step, constant = (
        gauss_newton_step(p, POSE.expand(5, 4))
        for p in (problem, with_constant_scales(problem, seen))
    )
    torch.testing.assert_close(step, constant, rtol=EXACT, atol=EXACT)
    assert reached(step, leaves) == set(leaves)
    assert reached(constant, leaves) == {"noc", "x2d", "logits"}


@pytest.mark.parametrize(
    "name, flows",
    [("epropnp_det_basic", False), ("epropnp_det_v1b_220411", False), ("epropnp_det_v2", True)],
)
def test_released_configs_say_which(name: str, flows: bool):
    model = Config.fromfile(str(CONFIGS / f"{name}.py")).model
    with torch.device("meta"):
        head = build_head(dict(model.bbox_head, train_cfg=model.train_cfg, test_cfg=model.test_cfg))
    assert head.pose_training.gradients == GradientSettings(flows, flows)


def test_head_poses_its_problem_accordingly(head_of_recording, recorded_head, monkeypatch):
    gradients, deltas = [], []
    for flows in (True, False):
        gradient_settings = GradientSettings(delta_to_x2d=flows)
        training = replace(head_of_recording.pose_training, gradients=gradient_settings)
        monkeypatch.setattr(head_of_recording, "pose_training", training)
        geometry = geometry_of_recording(recorded_head)
        queries = head_of_recording.predict(recorded_head["feats"], geometry)[0][:6]
        maps = head_of_recording.objects.dense_maps(recorded_head["feats"], geometry)
        seen, problem = head_of_recording.correspondences(maps, geometry, queries)
        # Weights depend on where the points are, so some gradient there is in any case.
        gradients.append(torch.autograd.grad(problem.delta.sum(), seen.x2d)[0])
        deltas.append(problem.delta)
    assert torch.equal(*deltas)
    assert gradients[0].norm() > 10 * gradients[1].norm()
