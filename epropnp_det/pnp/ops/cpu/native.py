"""The implementation that calls the compiled kernels for CPU tensors, and the plain torch one for
what they do not cover.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...correspondences import LARGEST, Correspondences
from ...problem import PnPProblem
from ...proposals.von_mises import VonMisesUniform
from ...results import Linearization, PoseEstimate, PoseSamples
from ...settings import LayerSettings, RandomSampleInit
from ...solver import newton_tangent
from ...spaces import pose_space
from ...spaces.base import PoseSpace
from .. import Operation, common, register, torch_impl
from ..eager import Eager
from ..robust import adaptive_threshold
from .library import DTYPES, Plan, call, function, library, passed, sound, within


class Native(Eager):
    """See `Implementation`.

    Not covered: Cauchy's kernel, gradients in poses or in the camera, and tracing by torch.compile;
        gradients of gradients are those of
    plain torch.
    """

    name = "native"

    def supports(self, operation: Operation, subject: Correspondences | PnPProblem) -> bool:
        if torch.compiler.is_compiling() or subject.device.type != "cpu" or library() is None:
            return False
        points = subject if isinstance(subject, Correspondences) else subject.points
        if points.dtype not in DTYPES or {points.x2d.dtype, points.w2d.dtype} != {points.dtype}:
            return False
        return isinstance(subject, Correspondences) or (
            subject.robust != "cauchy" and not common.wants_gradient(*_camera(subject))
        )

    def clean(self, points: Correspondences) -> tuple[Tensor, Tensor, Tensor]:
        """Nothing is copied where there is nothing to remove."""
        x3d, x2d, w2d = points.x3d, points.x2d, points.w2d
        whole = (
            points.mask is None
            and within(x3d, -LARGEST, LARGEST)
            and within(x2d, -LARGEST, LARGEST)
            and within(w2d, 0, LARGEST)
        )
        return (x3d, x2d, w2d) if whole else super().clean(points)

    def threshold(self, points: Correspondences, relative_delta: float) -> Tensor:
        relative_delta = float(relative_delta)
        x2d, w2d, mask = points.x2d, points.w2d, points.mask

        def gradient(by_threshold: Tensor) -> tuple[Tensor, ...]:
            found = (
                torch.empty_like(x2d, memory_format=torch.contiguous_format),
                torch.empty_like(w2d, memory_format=torch.contiguous_format),
            )
            _image_points(
                "threshold_gradient", points, relative_delta, by_threshold.contiguous(), *found
            )
            return found

        def compute() -> tuple[Tensor, ...]:
            delta = x2d.new_empty(points.shape)
            _image_points("threshold", points, relative_delta, delta)
            return (delta,)

        return _differentiable(
            compute,
            gradient,
            lambda x2d, w2d: (adaptive_threshold(x2d, w2d, mask, relative_delta),),
            x2d,
            w2d,
        )[0]

    def mend(self, problem: PnPProblem) -> dict[str, Any]:
        """The same numbers where nothing is broken, laid out for the calls to come."""
        if not sound(problem):
            return super().mend(problem)
        names = ("matrix", "clip_min", "clip_max", "corner")
        camera = problem.camera.replace_unchecked(
            **{name: getattr(problem.camera, name).contiguous() for name in names}
        )
        return dict(camera=camera, delta=problem.delta.contiguous())

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        if common.wants_gradient(pose):
            return super().cost(problem, pose)
        pose = common.each_sample(problem, pose)

        def compute() -> tuple[Tensor, ...]:
            cost = pose.new_empty(pose.shape[:-1])
            call("cost", problem, pose, pose.shape[-1], len(pose), cost)
            return (cost,)

        return _differentiable(compute, *_of_costs(problem, pose, 1), *common.inputs(problem))[0]

    def linearize(self, problem: PnPProblem, pose: Tensor, zero_clipped: bool) -> Linearization:
        if common.wants_gradient(pose):
            return super().linearize(problem, pose, zero_clipped)
        where, (samples, shape), tangent = (
            common.each_sample(problem, pose),
            common.sample_shape(problem, pose),
            pose_space(pose).tangent_dim,
        )

        def compute() -> tuple[Tensor, ...]:
            at = tuple(
                where.new_empty((*shape, *sizes)) for sizes in ((), (tangent,), (tangent, tangent))
            )
            call("linearize", problem, where, where.shape[-1], samples, zero_clipped, *at)
            return at

        def gradient(*by: Tensor) -> tuple[Tensor, ...]:
            given = [tensor.contiguous() for tensor in by]
            found = _like_inputs(problem)
            call(
                "linearize_gradient",
                problem,
                where,
                where.shape[-1],
                samples,
                zero_clipped,
                *given,
                *found,
            )
            return found

        def again(*inputs: Tensor) -> tuple[Tensor, ...]:
            return torch_impl.normal_equations(
                common.with_inputs(problem, *inputs), where, zero_clipped
            )

        return Linearization(*_differentiable(compute, gradient, again, *common.inputs(problem)))

    def step(self, problem: PnPProblem, pose: Tensor, damping: float) -> Tensor:
        damping = float(damping)
        pose, (samples, shape) = (
            common.each_sample(problem, pose),
            common.sample_shape(problem, pose),
        )

        def compute() -> tuple[Tensor, ...]:
            step = pose.new_empty((*shape, pose_space(pose).tangent_dim))
            call("newton_step", problem, pose, pose.shape[-1], samples, damping, step)
            return (step,)

        def gradient(by_step: Tensor) -> tuple[Tensor, ...]:
            found = _like_inputs(problem)
            call(
                "newton_gradient",
                problem,
                pose,
                pose.shape[-1],
                samples,
                damping,
                by_step.contiguous(),
                *found,
            )
            return found

        def again(*inputs: Tensor) -> tuple[Tensor, ...]:
            return (newton_tangent(common.with_inputs(problem, *inputs), pose, damping),)

        return _differentiable(compute, gradient, again, *common.inputs(problem))[0]

    @torch.no_grad()
    def estimate(
        self,
        problem: PnPProblem,
        start: Tensor | None,
        settings: LayerSettings,
        generator: torch.Generator | None,
        space: type[PoseSpace],
        drawn: tuple[Tensor, Tensor] | None = None,
    ) -> PoseEstimate:
        """`drawn` is for tests: indices (P, ..., K) of the points of the random start, and its
        orientations (P, ..., D - 3).
        """
        init = settings.init or RandomSampleInit()
        plan = Plan(
            init.proposals if settings.init else 0,
            init.points,
            init.iterations,
            settings.solver == "gauss_newton",
            settings.lm_iterations,
        )
        given = (
            None
            if start is None
            else start.to(problem.points.x3d).expand(*problem.shape, space.dim).contiguous()
        )
        sizes = (space.dim,), (), (space.tangent_dim, space.tangent_dim)
        pose, cost, hessian = (
            problem.points.x3d.new_empty((*problem.shape, *size)) for size in sizes
        )
        valid = torch.empty(problem.shape, dtype=torch.bool)
        call(
            "estimate",
            problem,
            _key(generator),
            space.dim,
            plan,
            *(drawn or (None, None)),
            given,
            pose,
            cost,
            hessian,
            valid,
        )
        return PoseEstimate(pose, cost, hessian, valid)

    def posterior(
        self,
        problem: PnPProblem,
        estimate: PoseEstimate,
        settings: LayerSettings,
        generator: torch.Generator | None,
        space: type[PoseSpace],
        given: Tensor | None = None,
    ) -> PoseSamples:
        """`given` is for tests: random numbers (B, S, R) in float64, in the order in which
        proposals.hpp draws them.
        """
        number = settings.mc_samples
        pose = problem.points.x3d.new_empty(number, *problem.shape, space.dim)

        def compute() -> tuple[Tensor, ...]:
            begin, good = estimate.pose.detach().to(pose).contiguous(), estimate.valid.contiguous()
            log_weights, valid = pose.new_empty(pose.shape[:-1]), torch.empty_like(good)
            call(
                *(
                    "sample",
                    problem,
                    _key(generator),
                    space.dim,
                    begin,
                    good,
                    VonMisesUniform.uniform,
                    given,
                ),
                *(number, settings.amis_rounds, pose, log_weights, valid),
            )
            return log_weights, valid

        log_weights, valid = _differentiable(
            compute, *_of_costs(problem, pose, -1), *common.inputs(problem)
        )
        return PoseSamples(pose, log_weights, valid)


# Values computed from tensors, derivatives of something in the tensors from those in the values,
# and the values again in plain torch.
Compute = Callable[[], tuple[Tensor, ...]]
Gradient = Callable[..., tuple[Tensor, ...]]
Again = Callable[..., tuple[Tensor, ...]]


def _differentiable(
    compute: Compute, gradient: Gradient, again: Again, *inputs: Tensor
) -> tuple[Tensor, ...]:
    """What `compute` makes of the inputs, in the autograd graph. Nothing is kept for the
    derivatives: they compute all they need again.
    """
    if not common.wants_gradient(*inputs):
        return compute()
    return _Differentiable.apply(compute, gradient, again, *inputs)


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, compute: Compute, gradient: Gradient, again: Again, *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        values = compute()
        ctx.gradient, ctx.again = gradient, again
        # Saved though the functions know them as well: so torch notices if someone changes them in
        # place.
        ctx.save_for_backward(*inputs)
        ctx.mark_non_differentiable(*(value for value in values if not value.is_floating_point()))
        return values

    @staticmethod
    def backward(ctx: Any, *by: Tensor) -> tuple[Tensor | None, ...]:
        inputs, by = ctx.saved_tensors, tuple(one for one in by if one.is_floating_point())
        # Gradients are on where somebody wants to differentiate the result again.
        if not torch.is_grad_enabled():
            return None, None, None, *ctx.gradient(*by)
        values = ctx.again(*inputs)
        return (
            None,
            None,
            None,
            *torch.autograd.grad(values, inputs, by, create_graph=True, materialize_grads=True),
        )


def _of_costs(problem: PnPProblem, pose: Tensor, sign: int) -> tuple[Gradient, Again]:
    """Derivatives of values (S, ...) that have those of costs, or of costs with the sign changed,
    at poses (S, ..., D).
    """

    def gradient(by: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        weight, found = (by if sign > 0 else -by).contiguous(), _like_inputs(problem)
        call("cost_gradient", problem, pose, pose.shape[-1], len(pose), weight, *found)
        return found

    return gradient, lambda *inputs: (
        sign * torch_impl.cost(common.with_inputs(problem, *inputs), pose),
    )


def _like_inputs(problem: PnPProblem) -> tuple[Tensor, ...]:
    return tuple(
        torch.empty_like(tensor, memory_format=torch.contiguous_format)
        for tensor in common.inputs(problem)
    )


def _camera(problem: PnPProblem) -> tuple[Tensor, Tensor]:
    return problem.camera.matrix, problem.camera.image_origin


def _image_points(name: str, points: Correspondences, *arguments: float | Tensor) -> None:
    """Calls what looks at image points and weights alone."""
    held = [tensor.detach().contiguous() for tensor in (points.x2d, points.w2d)]
    mask = None if points.mask is None else points.mask.contiguous()
    sizes = points.shape.numel(), points.x2d.shape[-2], torch.get_num_threads()
    function(name, points.dtype)(*map(passed, (*held, mask, *sizes[:2], *arguments)), sizes[2])


def _key(generator: torch.Generator | None) -> Tensor:
    """The key of a call's random streams: a tensor, so that nobody has to look at its value
    here.
    """
    return torch.empty((), dtype=torch.int64).random_(generator=generator)


register(Native())
