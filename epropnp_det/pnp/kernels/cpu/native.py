"""The implementation that calls the compiled kernels for CPU tensors, and the plain torch one for what they do not cover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ... import reprojection
from ...correspondences import Correspondences
from ...pose import pose_space
from ...pose_proposal import PoseProposal
from ...problem import Linearization, PnPProblem
from ...proposals import AngularCentralGaussian, VonMisesUniform
from ...sampler import PoseSamples
from ...space import PoseSpace
from ...start import RandomSampleInit
from .. import Operation, register
from ..eager import Eager
from .library import DTYPES, First, StartSettings, call, library

DEGREES = 3  # of freedom of the Student-t that is compiled


class Native(Eager):
    """See `Implementation`.

    Not covered: Cauchy's kernel, gradients in poses or in the camera, gradients of gradients, and tracing by torch.compile.
    """

    name = "native"

    def supports(self, operation: Operation, subject: Correspondences | PnPProblem) -> bool:
        if torch.compiler.is_compiling() or subject.device.type != "cpu" or subject.dtype not in DTYPES or library() is None:
            return False
        if isinstance(subject, Correspondences):
            return True
        camera = subject.camera
        return subject.robust != "cauchy" and not _wants_gradient(camera.matrix, camera.anchor)

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        if _wants_gradient(pose):
            return super().cost(problem, pose)
        pose = _each_sample(problem, pose)

        def compute() -> tuple[Tensor, Tensor]:
            cost = pose.new_empty(pose.shape[:-1])
            call("cost", problem, pose, pose.shape[-1], len(pose), cost)
            return pose, cost

        return _Weigh.apply(*_inputs(problem), problem, 1, compute)[0]

    def linearize(self, problem: PnPProblem, pose: Tensor, zero_clipped: bool) -> Linearization:
        if _wants_gradient(pose, *_inputs(problem)):
            return super().linearize(problem, pose, zero_clipped)
        pose, (samples, shape) = _each_sample(problem, pose), _shape(problem, pose)
        tangent = pose_space(pose).tangent_dim
        at = Linearization(*(pose.new_empty((*shape, *sizes)) for sizes in ((), (tangent,), (tangent, tangent))))
        call("linearize", problem, pose, pose.shape[-1], samples, zero_clipped, at.cost, at.gradient, at.hessian)
        return at

    def solve(self, problem: PnPProblem, start: Tensor, iterations: int, method: str) -> Tensor:
        samples, _ = _shape(problem, start)
        pose = _each_sample(problem, start).clone()
        call("solve", problem, pose, pose.shape[-1], samples, iterations, method == "gauss_newton")
        return pose

    def start(
        self,
        problem: PnPProblem,
        settings: RandomSampleInit,
        generator: torch.Generator | None,
        solver: str,
        space: type[PoseSpace],
        drawn: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """`drawn` is for tests: indices (P, ..., K) of the points of the proposals, and their orientations (P, ..., D - 3)."""
        pose = problem.points.x3d.new_empty(*problem.shape, space.dim)
        chosen = StartSettings(settings.proposals, settings.points, settings.iterations, solver == "gauss_newton")
        call("random_start", problem, _key(generator), space.dim, chosen, *(drawn or (None, None)), pose)
        return pose

    def sample(
        self,
        problem: PnPProblem,
        first: PoseProposal,
        valid: Tensor,
        samples: int,
        rounds: int,
        generator: torch.Generator | None,
        given: Tensor | None = None,
    ) -> PoseSamples:
        """`given` is for tests: random numbers (B, S, R) in float64, in the order in which proposals.hpp draws them."""
        if first.translation.df != DEGREES:
            return super().sample(problem, first, valid, samples, rounds, generator)
        pose = problem.points.x3d.new_empty(samples, *problem.shape, first.space.dim)

        def compute() -> tuple[Tensor, ...]:
            log_weights, finite = pose.new_empty(pose.shape[:-1]), torch.empty_like(valid, memory_format=torch.contiguous_format)
            parameters, uniform = _parameters(problem, first)
            begin = First(*(tensor.data_ptr() for tensor in parameters), uniform)
            call("sample", problem, _key(generator), first.space.dim, begin, given, samples, rounds, pose, log_weights, finite)
            return pose, log_weights, finite

        log_weights, finite = _Weigh.apply(*_inputs(problem), problem, -1, compute)
        return PoseSamples(pose, log_weights, valid & finite & ~first.broken)


class _Weigh(torch.autograd.Function):
    """Values (S, ...) that have the derivatives of costs, or of costs with the sign changed, at poses (S, ..., D).

    Nothing is kept from `compute` but the poses: the derivatives are computed from the inputs when they are asked for.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        delta: Tensor,
        problem: PnPProblem,
        sign: int,
        compute: Callable[[], tuple[Tensor, ...]],
    ) -> tuple[Tensor, ...]:
        pose, values, *others = compute()
        ctx.problem, ctx.sign = problem.detach(), sign
        # Saved though the problem holds them as well: so torch notices if someone changes them in place.
        ctx.save_for_backward(x3d, x2d, w2d, delta, pose)
        ctx.mark_non_differentiable(*others)
        return values, *others

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, pose = ctx.saved_tensors
        weight = gradient if ctx.sign > 0 else -gradient
        # Gradients are on where somebody wants to differentiate the result again.
        derivative = _differentiable_gradient if torch.is_grad_enabled() else _gradient
        return *derivative(ctx.problem, inputs, pose, weight), None, None, None


def _gradient(problem: PnPProblem, inputs: list[Tensor], pose: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    found = tuple(torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in inputs)
    call("cost_gradient", problem, pose, pose.shape[-1], len(pose), weight.contiguous(), *found)
    return found


def _differentiable_gradient(problem: PnPProblem, inputs: list[Tensor], pose: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    x3d, x2d, w2d, delta = inputs
    again = replace(problem, points=replace(problem.points, x3d=x3d, x2d=x2d, w2d=w2d), delta=delta)
    return torch.autograd.grad(reprojection.cost(again, pose), inputs, weight, create_graph=True, materialize_grads=True)


def _parameters(problem: PnPProblem, first: PoseProposal) -> tuple[list[Tensor], float]:
    """What `First` of sampler.hpp points to, and the weight of the uniform part."""
    orientation, uniform = first.orientation, 0.0
    if isinstance(orientation, VonMisesUniform):
        turn, uniform = (orientation.mean, orientation.concentration), orientation.uniform
    else:
        assert isinstance(orientation, AngularCentralGaussian), "each pose space has its family"
        turn = orientation.frame, orientation.factor
    tensors = (first.translation.mean, first.translation.factor, *turn)
    return [tensor.detach().to(problem.points.x3d.dtype).contiguous() for tensor in tensors], uniform


def _inputs(problem: PnPProblem) -> tuple[Tensor, ...]:
    return problem.points.x3d, problem.points.x2d, problem.points.w2d, problem.delta


def _wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _shape(problem: PnPProblem, pose: Tensor) -> tuple[int, torch.Size]:
    """How many samples poses (S, ..., D) have for each object, and their dims (S, ...)."""
    shape = torch.broadcast_shapes(pose.shape[:-1], problem.shape)
    return shape[: len(shape) - len(problem.shape)].numel(), shape


def _each_sample(problem: PnPProblem, pose: Tensor) -> Tensor:
    """Poses (S, ..., D) that broadcast to those of the problem, as the kernels want them."""
    pose = pose.detach().to(problem.points.x3d.dtype)
    return pose.expand(*_shape(problem, pose)[1], pose.shape[-1]).contiguous()


def _key(generator: torch.Generator | None) -> Tensor:
    """The key of a call's random streams: a tensor, so that nobody has to look at its value here."""
    return torch.empty((), dtype=torch.int64).random_(generator=generator)


register(Native())
