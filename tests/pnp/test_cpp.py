"""The compiled kernels against the plain torch implementation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Correspondences,
    PnPProblem,
    PoseEstimate,
    RandomSampleInit,
    YawPose,
    gauss_newton_step,
    inference,
    monte_carlo_pose_loss,
    ops,
    random_start,
)
from epropnp_det.pnp.ops import operators
from epropnp_det.pnp.ops.cpu.library import Plan, call, library
from epropnp_det.pnp.proposals import angular_central_gaussian, student_t, von_mises
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import NATIVE, NATIVE_FLOAT32, SIGMAS

from . import scenes
from .against_torch import (
    CORNER,
    DTYPE,
    ROBUST,
    assert_close,
    check_costs,
    check_rounding_of_costs,
    cost_of_any_pose,
    hard,
    masked_with_own_cameras,
    not_covered,
    of_inputs,
    second_derivatives,
)
from .scenes import SPACES, seeded, uniform

pytestmark = [
    pytest.mark.skipif(library() is None, reason="the compiled kernels were not built"),
    pytest.mark.usefixtures("all_kernels"),
]


def assert_same_estimates(actual: PoseEstimate, expected: PoseEstimate) -> None:
    assert torch.equal(actual.valid, expected.valid) and expected.valid.any()
    names = ("pose", "cost", "hessian")
    assert_close(
        [getattr(actual, name) for name in names],
        [getattr(expected, name) for name in names],
        NATIVE,
    )


# --- cost ---


@ROBUST
@CORNER
@DTYPE
@SPACES
def test_cost_and_its_gradients_are_those_of_float64_autograd(
    space: type[PoseSpace], dtype: torch.dtype, tolerance: float, corner: bool, robust: str
) -> None:
    problem, pose = hard(space, robust, corner)
    check_rounding_of_costs("cpp", problem, pose, dtype, tolerance)


@pytest.mark.parametrize("number", [1, 2, 15, 16, 17, 33])
def test_any_number_of_points_and_samples(number: int) -> None:
    problem, pose = scenes.problem((2, 3), number=number)
    pose = pose + uniform((number, 2, 3, 4), -0.3, 0.3, seeded(1))
    problem = replace(problem, delta=torch.ones(2, 3, dtype=torch.float64))
    check_costs("cpp", problem, pose)


def test_masked_points_and_cameras_of_their_own() -> None:
    check_costs("cpp", *masked_with_own_cameras())


@pytest.mark.parametrize("junk", [torch.nan, torch.inf])
@SPACES
def test_numbers_that_are_not_finite_stay_so(space: type[PoseSpace], junk: float) -> None:
    problem, pose = scenes.problem((2,), space=space)
    pose[0, 3] = junk
    for name in ("torch", "cpp"):
        with ops.use_backend(name):
            cost = cost_of_any_pose(name, problem, pose[None])
            assert cost.isnan().tolist() == [[True, False]], name
            again, leaves = of_inputs(problem)
            at = again.linearize(pose)
            assert all(
                value.isnan().flatten(1).any(1).tolist() == [True, False]
                for value in (at.gradient, at.hessian)
            ), name
            gradients = torch.autograd.grad(at.cost.sum() + at.hessian.sum(), leaves[:3])
            assert all(
                gradient.isnan().flatten(1).any(1).tolist() == [True, False]
                for gradient in gradients
            ), name


def test_samples_of_no_weight_are_left_out() -> None:
    problem, pose = hard(YawPose)
    again, leaves = of_inputs(problem)
    weight = (torch.arange(37) % 5 == 0).double()[:, None]
    some = torch.autograd.grad((weight * again.cost(pose)).sum(), leaves)
    again, leaves = of_inputs(problem)
    assert_close(list(some), list(torch.autograd.grad(again.cost(pose[::5]).sum(), leaves)), NATIVE)
    again, leaves = of_inputs(problem)
    none = torch.autograd.grad((0 * again.cost(pose)).sum(), leaves)
    assert all((gradient == 0).all() for gradient in none)


@SPACES
def test_results_do_not_depend_on_the_number_of_threads(space: type[PoseSpace]) -> None:
    problem, pose = hard(space)

    def everything(problem: PnPProblem) -> list[Tensor]:
        estimate, samples = scenes.layer(space, mc_samples=32)(problem, pose[5], seeded(0))
        at = problem.linearize(pose[4:])
        return [
            samples.log_weights,
            at.cost,
            at.gradient,
            at.hessian,
            gauss_newton_step(problem, estimate.pose),
            problem.cost(pose[4:]),
        ]

    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(gradients_of("cpp", problem, everything, torch.float64))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(first, second) for first, second in zip(*results))


# --- normal equations and the Gauss-Newton step ---


def gradients_of(
    name: str, problem: PnPProblem, call: Callable[[PnPProblem], list[Tensor]], dtype: torch.dtype
) -> list[Tensor]:
    """Results of `call` on the problem, and the gradients in x3d, x2d, w2d and delta of a sum with
    uneven weights.
    """
    again, leaves = of_inputs(problem, dtype)
    with ops.use_backend(name):
        values = call(again)
    sums = [
        (value * uniform(value.shape, -1.0, 1.0, seeded(9)).to(dtype)).sum() for value in values
    ]
    return [
        *(value.detach() for value in values),
        *torch.autograd.grad(sum(sums), leaves, materialize_grads=True),
    ]


@ROBUST
@CORNER
@pytest.mark.parametrize("zero_clipped", [True, False])
@DTYPE
@SPACES
def test_gradients_of_normal_equations_are_those_of_float64_autograd(
    space: type[PoseSpace],
    dtype: torch.dtype,
    tolerance: float,
    zero_clipped: bool,
    corner: bool,
    robust: str,
) -> None:
    problem, pose = hard(space, robust, corner)
    problem, pose = problem.to(dtype).to(torch.float64), pose.to(dtype).to(torch.float64)

    def call(problem: PnPProblem) -> list[Tensor]:
        at = problem.linearize(pose.to(problem.dtype), zero_clipped)
        return [at.cost, at.gradient, at.hessian]

    expected = gradients_of("torch", problem, call, torch.float64)
    assert all((gradient != 0).any() for gradient in expected[3 : 7 if robust == "huber" else 6])
    assert_close(gradients_of("cpp", problem, call, dtype), expected, tolerance)


@ROBUST
@CORNER
@SPACES
def test_gauss_newton_steps_and_their_gradients_are_those_of_autograd(
    space: type[PoseSpace], corner: bool, robust: str
) -> None:
    problem, pose = hard(space, robust, corner)
    mask = (
        torch.arange(41) < torch.tensor([41, 30, 1, 0, 41])[:, None]
    )  # the third and the fourth determine no pose
    problem = PnPProblem(
        replace(problem.points, mask=mask), problem.camera, problem.delta + 0.1, robust
    )

    # Without the poses outside the limits and in front of the near plane: their normal equations
    # are next to singular.
    cpp, plain = (
        gradients_of(
            name, problem, lambda one: [gauss_newton_step(one, pose[4:], 1e-3)], torch.float64
        )
        for name in ("cpp", "torch")
    )
    assert_close(cpp, plain, 10 * NATIVE)
    assert_close([cpp[0][:, 2:4]], [pose[4:, 2:4]], NATIVE)
    assert all((gradient[2:4] == 0).all() for gradient in cpp[1:])


# --- checks and threshold ---


@pytest.mark.parametrize("masked", [False, True])
def test_thresholds_and_their_gradients_are_those_of_plain_torch(masked: bool) -> None:
    points = scenes.problem((2, 4), number=7)[0].points
    values = [points.x3d, points.x2d.clone(), points.w2d]
    values[1][0, 1] = 3.0  # image points that coincide
    mask = torch.arange(7) < torch.tensor([7, 7, 2, 1])[:, None] if masked else None
    found = []
    for name in ("cpp", "torch"):
        leaves = [value.clone().requires_grad_() for value in values[1:]]
        with ops.use_backend(name):
            given = Correspondences(
                values[0], *leaves, None if mask is None else mask.expand(2, 4, 7)
            )
            delta = PnPProblem.adaptive(given, scenes.camera(), 0.7).delta
        first = torch.autograd.grad(
            (delta * torch.arange(8.0).reshape(2, 4)).sum(), leaves, create_graph=True
        )
        second = torch.autograd.grad(
            sum(gradient.square().sum() for gradient in first), leaves, allow_unused=True
        )
        found.append([delta.detach(), *(gradient.detach() for gradient in first), second[0]])
    assert_close(*found, NATIVE)


@pytest.mark.parametrize("junk", [torch.nan, torch.inf, -torch.inf, 2e6, -1.0])
def test_what_is_broken_is_replaced_as_by_plain_torch(junk: float) -> None:
    whole = scenes.problem((3,), number=5)[0]
    for name in ("x3d", "x2d", "w2d", "matrix", "delta"):
        holder = whole if name == "delta" else whole.camera if name == "matrix" else whole.points
        value = getattr(holder, name).clone()
        value[1].view(-1)[-1] = junk
        found = []
        for implementation in ("cpp", "torch"):
            with ops.use_backend(implementation):
                values = {one: getattr(whole.points, one) for one in ("x3d", "x2d", "w2d")}
                camera = replace(whole.camera, matrix=value) if name == "matrix" else whole.camera
                points = Correspondences(**(values | {name: value} if name in values else values))
                problem = PnPProblem(points, camera, value if name == "delta" else whole.delta)
                found.append(
                    [
                        problem.points.x3d,
                        problem.points.x2d,
                        problem.points.w2d,
                        problem.camera.matrix,
                        problem.delta,
                    ]
                )
        assert all(torch.equal(first, second) for first, second in zip(*found)), name


@SPACES
def test_no_objects_at_all(space: type[PoseSpace]) -> None:
    values = [torch.zeros(0, 5, size, requires_grad=True) for size in (3, 2, 2)]
    problem, layer = (
        PnPProblem.adaptive(Correspondences(*values), scenes.camera(torch.float32)),
        scenes.layer(space, mc_samples=8),
    )
    with ops.use_backend("cpp"):
        estimate, samples = layer(problem)
        loss = (
            monte_carlo_pose_loss(samples, problem.cost(estimate.pose)).sum()
            + gauss_newton_step(problem, estimate.pose).sum()
        )
    assert samples.pose.shape == (8, 0, space.dim) and estimate.hessian.shape == (
        0,
        space.tangent_dim,
        space.tangent_dim,
    )
    assert all(
        gradient.shape == value.shape
        for gradient, value in zip(torch.autograd.grad(loss, values), values)
    )


# --- solver and start ---


@ROBUST
@CORNER
@pytest.mark.parametrize("zero_clipped", [True, False])
@DTYPE
@SPACES
def test_normal_equations_are_those_of_float64(
    space: type[PoseSpace],
    dtype: torch.dtype,
    tolerance: float,
    zero_clipped: bool,
    corner: bool,
    robust: str,
) -> None:
    problem, pose = hard(space, robust, corner)
    problem, pose = problem.to(dtype), pose.to(dtype)
    with ops.use_backend("torch"):
        expected = problem.to(torch.float64).linearize(pose.to(torch.float64), zero_clipped)
    with ops.use_backend("cpp"):
        actual = problem.linearize(pose, zero_clipped)
    assert_close(
        [actual.cost, actual.gradient, actual.hessian],
        [expected.cost, expected.gradient, expected.hessian],
        tolerance,
    )


@ROBUST
@pytest.mark.parametrize("method", ["lm", "gauss_newton"])
@SPACES
def test_steps_of_the_solvers_are_those_of_plain_torch(
    space: type[PoseSpace], method: str, robust: str
) -> None:
    problem, pose = scenes.problem((2, 3), noise=20.0, space=space)
    mask = torch.arange(24) < torch.tensor([24, 13, 20])[:, None]
    problem = PnPProblem(
        replace(problem.points, mask=mask.expand(2, 3, 24)), problem.camera, problem.delta, robust
    )
    start = space.retract(pose, uniform((2, 3, space.tangent_dim), -0.3, 0.3, seeded(5)))
    for iterations in (0, 1, 6):
        layer = scenes.layer(space, init=None, solver=method, lm_iterations=iterations)
        found = []
        for name in ("cpp", "torch"):
            with ops.use_backend(name):
                found.append(layer.solve(problem, start))
        assert_same_estimates(*found)


@pytest.mark.parametrize("separation", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize("solver", ["lm", "gauss_newton"])
@SPACES
def test_random_starts_are_those_of_plain_torch_for_the_same_draws(
    space: type[PoseSpace],
    solver: str,
    candidates: int,
    separation: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, pose = scenes.problem((5,), number=40, noise=20.0, space=space)
    init = RandomSampleInit(21, 16, 3, candidates, separation)
    layer = scenes.layer(space, init=init, solver=solver, lm_iterations=2)
    orders: list[Tensor] = []
    rotations: list[Tensor] = []
    take = random_start._take
    turn = space.random_rotation
    monkeypatch.setattr(
        random_start, "_take", lambda values, order: (orders.append(order), take(values, order))[1]
    )
    monkeypatch.setattr(
        space, "random_rotation", lambda *given: (rotations.append(turn(*given)), rotations[0])[1]
    )
    given = space.retract(pose, uniform((5, space.tangent_dim), -2.0, 2.0, seeded(5)))
    with ops.use_backend("torch"):
        expected = layer.solve(problem, given, seeded(0))
    drawn = orders[0].contiguous(), rotations[0][..., 3:].contiguous()
    start = (init.proposals, init.points, init.iterations, solver == "gauss_newton")
    plan = Plan(*start, 2, candidates, separation)
    actual = expected.map(torch.zeros_like)
    found = (actual.pose, actual.cost, actual.hessian, actual.valid)
    key = torch.tensor(0)
    call("estimate", problem.tensors, key, space.dim, plan, *drawn, given.contiguous(), *found)
    assert_same_estimates(actual, expected)


def test_points_are_drawn_as_plain_torch_draws_them() -> None:
    """By weight without replacement, also where nearly all of it lies on one point: how often each
    point is there, and is the first.
    """
    weight = torch.tensor(
        [[1.0, 2.0, 0.0, 3.0, 4.0, 5.0], [1e-3, 1e-3, 1.0, 1e-3, 1e-3, 0.0]], dtype=torch.float64
    )
    number = torch.arange(6, dtype=torch.float64).expand(2, 6)
    points = Correspondences(
        number[..., None].expand(2, 6, 3),
        torch.rand(2, 6, 2).double(),
        weight[..., None].expand(2, 6, 2),
    )
    problem = PnPProblem(points, scenes.camera(), torch.ones(2))
    runs, told = 20000, torch.empty(20000, 2, 3, dtype=torch.int64)
    call("draw_points", problem.tensors, torch.tensor(7), runs, 3, told)
    expected = (
        random_start._draw_points(problem, RandomSampleInit(runs, 3, 0), seeded(0))
        .points.x3d[..., 0]
        .long()
    )
    for which in (told[..., :1], told):
        seen, other = (
            torch.nn.functional.one_hot(each, 6).sum(-2).double().mean(0)
            for each in (which, expected[..., : which.shape[-1]])
        )
        error = (seen * (1 - seen).clamp(min=0) + 1 / runs) * 2 / runs
        assert ((seen - other).abs() < SIGMAS * error.sqrt()).all()


def test_too_few_usable_points_repeat_in_turn() -> None:
    problem, _ = scenes.problem((2,), number=20)
    points = replace(problem.points, mask=torch.arange(20) < torch.tensor([[5], [0]]))
    told = torch.empty(7, 2, 16, dtype=torch.int64)
    call(
        "draw_points",
        PnPProblem(points, problem.camera, problem.delta).tensors,
        torch.tensor(7),
        7,
        16,
        told,
    )
    assert torch.equal(told[:, 0, :5].sort()[0], torch.arange(5).expand(7, 5)) and torch.equal(
        told[:, 0, 5:], told[:, 0, :-5]
    )
    assert ((told >= 0) & (told < 20)).all()


# --- sampler ---


class Recorder:
    """Draws random numbers for the plain sampler and keeps them, in the order in which the compiled
    one draws them.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.generator, self.normals, self.uniforms = seeded(3), [], []
        for module in (student_t, angular_central_gaussian):
            monkeypatch.setattr(
                module,
                "_normal",
                lambda like, shape, _: self.keep(self.normals, torch.randn, shape),
            )
        monkeypatch.setattr(
            von_mises,
            "_uniform",
            lambda like, shape, _: self.keep(self.uniforms, torch.rand, shape),
        )

    def keep(self, to: list[Tensor], draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        to.append(draw(shape, generator=self.generator, dtype=torch.float64))
        return to[-1]

    def summarize(self, space: type[PoseSpace]) -> Tensor:
        """(B, S, R), see `OrientationOf` of sampler.hpp."""
        step = 2 if space is YawPose else 3
        translation = [
            torch.cat((n, c.square().sum(-1, keepdim=True)), dim=-1)
            for n, c in zip(self.normals[::step], self.normals[1::step])
        ]
        if space is YawPose:
            pairs, triples = self.uniforms[::2], self.uniforms[1::2]
            turn = [
                torch.cat((t.movedim(0, -1), p.movedim((1, 0), (-2, -1)).flatten(-2)), dim=-1)
                for p, t in zip(pairs, triples)
            ]
        else:
            turn = self.normals[2::3]
        whole = torch.cat([torch.cat(both, dim=-1) for both in zip(translation, turn)])
        return whole.flatten(1, -2).movedim(0, 1).contiguous()


@pytest.mark.parametrize("rounds", [1, 4])
@ROBUST
@SPACES
def test_samples_and_weights_are_those_of_plain_torch_for_the_same_random_numbers(
    space: type[PoseSpace], robust: str, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, pose = scenes.problem((2, 3), noise=20.0, space=space)
    layer = scenes.layer(space, init=None, mc_samples=128, amis_rounds=rounds)
    problem = replace(problem, robust=robust)
    estimate = layer.solve(problem, pose)
    estimate = replace(
        estimate, valid=estimate.valid & torch.tensor([[True, True, True], [True, False, True]])
    )
    recorder = Recorder(monkeypatch)

    def loss_of(log_weights: Tensor) -> Tensor:
        numbers = torch.arange(128)[:, None, None]
        return (log_weights * numbers).sum() + log_weights.logsumexp(0).sum()

    again, leaves = of_inputs(problem)
    with ops.use_backend("torch"):
        plain = layer.sample(again, estimate)
    gradients = torch.autograd.grad(loss_of(plain.log_weights), leaves, materialize_grads=True)
    expected = [plain.pose, plain.log_weights.detach(), *gradients]

    drawn = [torch.zeros_like(plain.pose), torch.zeros_like(plain.log_weights)]
    valid = torch.zeros_like(estimate.valid)
    tensors = problem.tensors
    begin = (space.dim, estimate.pose.contiguous(), estimate.valid.contiguous())
    uniform_share = von_mises.VonMisesUniform.uniform
    numbers = (recorder.summarize(space), 128, rounds)
    call("sample", tensors, torch.tensor(0), *begin, uniform_share, *numbers, *drawn, valid)
    log_weights = drawn[1].clone().requires_grad_()
    (by_weights,) = torch.autograd.grad(loss_of(log_weights), log_weights)
    actual = [*drawn, *operators.cost_gradient(*tensors, drawn[0], -by_weights)]
    assert torch.equal(plain.valid, estimate.valid) and torch.equal(valid, estimate.valid)
    assert not plain.pose.requires_grad
    assert_close(actual, expected, NATIVE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@SPACES
def test_losses_of_a_thousand_runs_are_those_of_plain_torch(
    space: type[PoseSpace], dtype: torch.dtype
) -> None:
    """Mean loss, effective sample size and gradient, in standard errors of the difference."""
    one, pose = scenes.problem((), number=8, noise=2.0, dtype=dtype, space=space)
    runs, layer = 1000, scenes.layer(space, mc_samples=64, init=None)
    found = []
    for name, seed in (("torch", 0), ("cpp", 1)):
        problem, leaves = of_inputs(
            one.map(lambda tensor: tensor.expand(runs, *tensor.shape)), dtype
        )
        with ops.use_backend(name):
            estimate = layer.solve(one, pose).map(lambda tensor: tensor.expand(runs, *tensor.shape))
            drawn = layer.sample(problem, estimate, seeded(seed))
        loss = drawn.log_normalizer
        gradients = torch.autograd.grad(loss.sum(), leaves)
        found.append(
            [
                value.detach().double().reshape(runs, -1)
                for value in (loss, drawn.effective_sample_size, *gradients)
            ]
        )
    for first, second in zip(*found):
        error, rounding = (
            ((first.var(0) + second.var(0)) / runs).sqrt(),
            NATIVE_FLOAT32 * (1 + first.abs().mean(0)),
        )
        assert ((first.mean(0) - second.mean(0)).abs() < SIGMAS * error + rounding).all()
        assert ((first.std(0) - second.std(0)).abs() < 0.25 * first.std(0) + rounding).all()


def test_log_density_of_von_mises_over_all_concentrations() -> None:
    """In a single round the weights give the density of the first proposal, whose concentration
    follows from the weights of the points.
    """
    problem, pose = scenes.problem(())
    problem, pose = problem.map(lambda tensor: tensor.expand(61, *tensor.shape)), pose.expand(61, 4)
    scale = torch.logspace(-5, 5, 61, dtype=torch.float64)[:, None, None]
    problem = PnPProblem(
        replace(problem.points, w2d=problem.points.w2d * scale), problem.camera, problem.delta
    )
    estimate = scenes.layer(YawPose, init=None, lm_iterations=0).solve(problem, pose)
    centred, mean = problem.centre()
    first = inference.first_proposal(centred, estimate, mean, YawPose)
    concentration = first.orientation.concentration
    assert (
        concentration.min() < von_mises.MIN_CONCENTRATION
        and concentration.max() > 0.3 * von_mises.MAX_CONCENTRATION
    )
    layer = scenes.layer(YawPose, mc_samples=8, amis_rounds=1)
    with ops.use_backend("cpp"):
        drawn = layer.sample(problem, estimate, seeded(0))
    expected = -problem.cost(drawn.pose) - first.log_prob(
        YawPose.translate_object_frame(drawn.pose, mean)
    )
    assert drawn.valid.any()
    for actual, other in zip(drawn.log_weights.unbind(1), expected.unbind(1)):
        assert_close([actual], [other], NATIVE)


@SPACES
def test_random_streams_differ_between_objects_and_calls_and_follow_the_generator(
    space: type[PoseSpace],
) -> None:
    problem, pose = scenes.problem((), space=space)
    problem, pose = (
        problem.map(lambda tensor: tensor.expand(4, *tensor.shape)),
        pose.expand(4, space.dim),
    )
    layer, generator = scenes.layer(space, mc_samples=16, init=None), seeded(0)
    estimate = layer.solve(problem, pose)
    first, second = (layer.sample(problem, estimate, generator).pose for _ in range(2))
    again = layer.sample(problem, estimate, seeded(0)).pose
    assert torch.equal(first, again)
    everything = torch.cat((first, second), dim=1).flatten(0, 1)
    assert len(everything.unique(dim=0)) == len(everything)


# --- what is not covered ---


def test_what_is_not_covered_goes_to_plain_torch() -> None:
    problem, _ = scenes.problem((2,))
    assert ops.has_kernel_for("cost", problem.tensors)
    for other in not_covered(problem):
        assert not ops.has_kernel_for("cost", other.tensors)


def test_gradients_in_poses_are_those_of_plain_torch() -> None:
    problem, pose = scenes.problem((2,))
    pose.requires_grad_()
    assert (torch.autograd.grad(problem.cost(pose + 0.1).sum(), pose)[0] != 0).all()


def test_second_derivatives_are_those_of_plain_torch() -> None:
    found = [second_derivatives(name, *hard(YawPose)) for name in ("torch", "cpp")]
    assert_close(*found, NATIVE)


SCRIPT = """
import importlib.util, warnings
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if "ops.cpu._" in name else real(name, *rest)
import torch
from tests.pnp import scenes
from epropnp_det.pnp import ops
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    problem, pose = scenes.problem((2,))
    problem.cost(pose), problem.cost(pose)
messages = [str(one.message) for one in told]
assert len(messages) == 1 and "plain torch" in messages[0] and messages[0].count("g++") == 1, told
assert not ops.has_kernel_for("cost", problem.tensors)
"""


def test_without_the_compiled_kernels_plain_torch_runs_and_says_so_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
