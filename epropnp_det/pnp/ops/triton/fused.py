"""The implementation that launches the Triton kernels, and the plain torch one for what they do not
cover.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

import torch
from torch import Tensor

from ...correspondences import Correspondences
from ...problem import PnPProblem
from ...results import Linearization
from .. import Operation, common, register
from ..eager import Eager

DTYPES = (torch.float32, torch.float64)
# Operators of one's own came with torch 2.4. Triton makes what launches a kernel with a C compiler.
COMPILER = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
INSTALLED = (
    importlib.util.find_spec("triton") is not None
    and hasattr(torch.library, "custom_op")
    and COMPILER is not None
)
# Triton's interpreter computes kernels with numpy on CPU tensors, to look for mistakes; it is very
# slow.
DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"


class Triton(Eager):
    """See `Implementation`.

    Not covered: Cauchy's kernel, gradients in poses or in the camera, and, by plain torch as well,
        gradients of gradients.
    """

    name = "triton"

    def supports(self, operation: Operation, subject: Correspondences | PnPProblem) -> bool:
        ours = INSTALLED and subject.device.type == DEVICE and subject.dtype in DTYPES
        return ours and (isinstance(subject, Correspondences) or _covers(subject))

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        if common.wants_gradient(pose):
            return super().cost(problem, pose)
        from . import operators

        return operators.cost(*_arguments(problem, pose)).reshape(pose.shape[:-1])

    def linearize(self, problem: PnPProblem, pose: Tensor, zero_clipped: bool) -> Linearization:
        if common.wants_gradient(pose, *common.inputs(problem)):
            return super().linearize(problem, pose, zero_clipped)
        from . import operators

        shape = common.sample_shape(problem, pose)[1]
        found = operators.linearize(*_arguments(problem, pose), zero_clipped)
        return Linearization(*(value.reshape(*shape, *value.shape[2:]) for value in found))

    def solve(self, problem: PnPProblem, start: Tensor, iterations: int, method: str) -> Tensor:
        from . import operators

        pose = operators.solve(
            *_arguments(problem.detach().crop_to_points(), start), method == "lm", iterations
        )
        return pose.reshape(*common.sample_shape(problem, start)[1], start.shape[-1])


def _covers(problem: PnPProblem) -> bool:
    return problem.robust != "cauchy" and not common.wants_gradient(
        problem.camera.matrix, problem.camera.image_origin
    )


Arguments = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, float, bool]


def _arguments(problem: PnPProblem, pose: Tensor) -> Arguments:
    """What all operators take, with one dim for the objects and one for the samples."""
    from .operators import packed

    objects, (samples, _) = problem.shape.numel(), common.sample_shape(problem, pose)
    x3d, x2d, w2d = (
        value.reshape(objects, *value.shape[-2:]) for value in common.inputs(problem)[:3]
    )
    camera = packed(problem.camera)
    camera = camera.reshape(objects, camera.shape[-1])
    flat = common.each_sample(problem, pose).reshape(samples, objects, pose.shape[-1])
    return (
        x3d,
        x2d,
        w2d,
        problem.delta.reshape(objects),
        camera,
        flat,
        problem.camera.z_min,
        problem.robust == "huber",
    )


register(Triton())
