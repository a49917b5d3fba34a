from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP4DoF,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    RandomSampleInit,
    SE3Pose,
    YawPose,
    gauss_newton_step,
    monte_carlo_pose_loss,
)
from epropnp_det.pnp.layer import EProPnP
from epropnp_det.pnp.spaces import pose_space
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, EXACT_FLOAT32

from . import scenes
from .scenes import SPACES, seeded

SMALL = dict(mc_samples=64, init=RandomSampleInit(16, 8, 3))
LAYER = EProPnP4DoF(**SMALL)


def run(
    problem: PnPProblem, pose: Tensor, layer: EProPnP | None = None, seed: int = 0
) -> tuple[PoseEstimate, PoseSamples, Tensor]:
    generator, layer = seeded(seed), layer or scenes.layer(pose_space(pose), **SMALL)
    estimate = layer.solve(problem, generator=generator)
    samples = layer.sample(problem, estimate, generator)
    return estimate, samples, monte_carlo_pose_loss(samples, problem.cost(pose))


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"solver": "foo"}, ValueError, r"unknown solver 'foo'.*'lm', 'gauss_newton'"),
        (
            {"mc_samples": 130},
            ValueError,
            r"mc_samples=130 must be a multiple of amis_rounds=4; use 132",
        ),
        ({"mc_samples": 0}, ValueError, "mc_samples"),
        ({"amis_rounds": 2.0}, ValueError, "amis_rounds"),
        ({"lm_iterations": -1}, ValueError, "lm_iterations"),
        ({"mc_sample": 128}, TypeError, r"unknown setting 'mc_sample'.*mc_samples"),
        ({"init": {"proposal": 64}}, TypeError, r"unknown setting 'proposal'.*proposals"),
        ({"init": {"proposals": 0}}, ValueError, "proposals"),
        ({"init": 64}, TypeError, "init"),
    ],
)
def test_bad_settings_are_named_with_the_remedy(
    settings: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        EProPnP4DoF(**settings)
    assert "\n" not in str(caught.value)


def test_start_settings_from_a_dict() -> None:
    assert EProPnP4DoF(init={"proposals": 8}).settings.init == RandomSampleInit(proposals=8)
    assert EProPnP4DoF(init=None).settings.init is None


def test_layer_is_immutable_and_has_no_state() -> None:
    layer = EProPnP4DoF()
    with pytest.raises(AttributeError):
        layer.settings = LAYER.settings
    with pytest.raises(FrozenInstanceError):
        layer.settings.mc_samples = 4
    assert not list(layer.parameters()) and not layer.state_dict()
    assert "mc_samples=512" in repr(layer)
    assert pickle.loads(pickle.dumps(layer)).settings == layer.settings


def test_no_start_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="start="):
        EProPnP4DoF(init=None).solve(scenes.problem()[0])


# --- laws ---


@SPACES
def test_a_given_start_competes_with_the_random_one(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((16,), noise=10.0, space=space)
    weak = scenes.layer(space, init=RandomSampleInit(1, 2, 0), lm_iterations=0)
    alone, helped = weak.solve(problem, generator=seeded(0)), weak.solve(problem, pose, seeded(0))
    assert (helped.cost <= alone.cost).all() and (helped.cost < alone.cost).any()
    far = space.translate_object_frame(pose, torch.full((16, 3), 50.0, dtype=torch.float64))
    torch.testing.assert_close(
        weak.solve(problem, far, seeded(0)).cost, torch.minimum(problem.cost(far), alone.cost)
    )


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@SPACES
def test_any_batch_dims(space: type[PoseSpace], shape: tuple[int, ...], dtype: torch.dtype) -> None:
    problem, pose = scenes.problem(shape, dtype=dtype, space=space)
    w2d = problem.points.w2d.clone().requires_grad_()
    problem = PnPProblem.adaptive(
        Correspondences(problem.points.x3d, problem.points.x2d, w2d), scenes.camera(dtype)
    )
    estimate, samples, loss = run(problem, pose)
    (loss.sum() + gauss_newton_step(problem, estimate.pose).sum()).backward()
    tangent = space.tangent_dim
    assert estimate.pose.shape == (*shape, space.dim) and estimate.covariance.shape == (
        *shape,
        tangent,
        tangent,
    )
    assert estimate.matrix().shape == (*shape, 4, 4) and estimate.inverse().pose.shape == (
        *shape,
        space.dim,
    )
    assert (
        samples.pose.shape == (64, *shape, space.dim)
        and samples.effective_sample_size.shape == shape
    )
    assert samples.mean.shape == (*shape, space.dim) and samples.quantiles([0.1, 0.9]).shape == (
        2,
        *shape,
        tangent,
    )
    assert loss.shape == shape and loss.dtype == dtype and estimate.pose.dtype == dtype
    assert w2d.grad is not None and w2d.grad.isfinite().all()
    assert scenes.layer(space, **SMALL)(problem, pose, seeded(0))[1].valid.shape == shape


@SPACES
def test_batch_is_the_loop(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), number=24, space=space)
    layer = scenes.layer(space, init=None)
    together = layer.solve(problem, pose)
    for index in range(3):
        torch.testing.assert_close(
            layer.solve(problem[index], pose[index]).pose,
            together.pose[index],
            rtol=EXACT,
            atol=EXACT,
        )


@SPACES
def test_results_are_told_by_the_generator(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), noise=10.0, space=space)
    first, again, other = run(problem, pose), run(problem, pose), run(problem, pose, seed=1)
    assert torch.equal(first[1].pose, again[1].pose) and torch.equal(first[2], again[2])
    assert not torch.equal(first[1].pose, other[1].pose)


@SPACES
def test_the_global_generator_is_left_alone(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((2,), space=space)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    run(problem, pose)
    assert torch.equal(before, torch.random.get_rng_state())


@SPACES
def test_solving_does_not_depend_on_the_origin(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    points, offset = problem.points, torch.tensor([5.0, 2.0, -3.0], dtype=torch.float64)
    moved = PnPProblem.adaptive(
        Correspondences(points.x3d + offset, points.x2d, points.w2d), problem.camera
    )
    layer = scenes.layer(space, init=None)
    first, second = (
        layer.solve(problem, pose),
        layer.solve(moved, space.translate_object_frame(pose, -offset)),
    )
    torch.testing.assert_close(
        space.translate_object_frame(second.pose, offset), first.pose, rtol=EXACT, atol=EXACT
    )


def test_length_and_sign_of_a_quaternion_do_not_matter() -> None:
    problem, pose = scenes.problem((3,), space=SE3Pose)
    longer = torch.cat((pose[:, :3], -3 * pose[:, 3:]), dim=-1)
    for iterations in (0, 10):
        layer = scenes.layer(SE3Pose, mc_samples=512, init=None, lm_iterations=iterations)
        (first, drawn), (second, other) = (
            layer(problem, start, seeded(0)) for start in (pose, longer)
        )
        torch.testing.assert_close(second.matrix(), first.matrix(), rtol=EXACT, atol=EXACT)
        torch.testing.assert_close(second.hessian, first.hessian, rtol=EXACT, atol=EXACT)
        torch.testing.assert_close(other.log_normalizer, drawn.log_normalizer, rtol=0, atol=0.5)
        torch.testing.assert_close(
            other.pose[..., 3:].norm(dim=-1), torch.ones(512, 3, dtype=torch.float64)
        )


@SPACES
def test_mirrored_problems_have_mirrored_solutions(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    points = problem.points
    mirrored = Correspondences(
        points.x3d * torch.tensor([1, 1, -1]),
        torch.tensor([1600, 0]) + points.x2d * torch.tensor([-1, 1]),
        points.w2d,
    )
    layer = scenes.layer(space, init=None)
    second = layer.solve(
        PnPProblem.adaptive(mirrored, problem.camera.flip(1600.0)), space.mirror(pose)
    )
    torch.testing.assert_close(
        space.mirror(second.pose), layer.solve(problem, pose).pose, rtol=EXACT, atol=EXACT
    )


@SPACES
def test_cropped_and_scaled_images_have_the_same_solutions(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    points, corner = problem.points, torch.tensor([30.0, 228.0])
    # Pixels half as large: the weights per pixel double, and the threshold stays as it is.
    small = Correspondences(points.x3d, 0.5 * (points.x2d - corner), 2 * points.w2d)
    layer = scenes.layer(space, init=None)
    second = layer.solve(
        PnPProblem.adaptive(small, problem.camera.crop(30.0, 228.0).scale(0.5, 0.5)), pose
    )
    torch.testing.assert_close(second.pose, layer.solve(problem, pose).pose, rtol=EXACT, atol=EXACT)


@SPACES
def test_gauss_newton_solver_solves_easy_problems(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((8,), noise=0.5, space=space)
    estimate = scenes.layer(space, init=None, solver="gauss_newton").solve(problem, pose)
    torch.testing.assert_close(
        estimate.pose, scenes.layer(space, init=None).solve(problem, pose).pose, rtol=0, atol=1e-4
    )
    drawn = scenes.layer(space, solver="gauss_newton").solve(problem, generator=seeded(0))
    assert (drawn.pose - pose)[:, :3].norm(dim=-1).median() < 0.5


@SPACES
def test_autocast_changes_nothing(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), dtype=torch.float32, space=space)
    expected = run(problem, pose)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        points = problem.points
        inside = PnPProblem.adaptive(
            Correspondences(points.x3d, points.x2d, points.w2d), problem.camera
        )
        actual = run(inside, pose)
        step = gauss_newton_step(inside, pose)
        turned = actual[0].inverse().hessian, actual[1].mean, actual[1].quantiles([0.5])
    torch.testing.assert_close(actual[0].pose, expected[0].pose, rtol=0, atol=0)
    torch.testing.assert_close(actual[2], expected[2], rtol=0, atol=0)
    torch.testing.assert_close(step, gauss_newton_step(problem, pose), rtol=0, atol=0)
    outside = expected[0].inverse().hessian, expected[1].mean, expected[1].quantiles([0.5])
    torch.testing.assert_close(turned, outside, rtol=0, atol=0)


@SPACES
def test_masked_points_change_nothing(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), number=12, space=space)
    points = problem.points
    padded = (
        torch.cat((value, torch.full_like(value[:, :4], torch.nan)), dim=1)
        for value in (points.x3d, points.x2d, points.w2d)
    )
    masked = PnPProblem.adaptive(
        Correspondences(*padded, (torch.arange(16) < 12).expand(3, -1)), problem.camera
    )
    layer = scenes.layer(space, mc_samples=64, init=None)
    first, second = layer.solve(problem, pose), layer.solve(masked, pose)
    torch.testing.assert_close(second.pose, first.pose, rtol=EXACT, atol=EXACT)
    assert (
        second.valid.all()
        and scenes.layer(space, **SMALL).solve(masked, generator=seeded(0)).valid.all()
    )
    drawn = [layer.sample(one, first, seeded(0)).log_weights for one in (problem, masked)]
    torch.testing.assert_close(drawn[0], drawn[1], rtol=1e-6, atol=1e-6)


# --- degenerate objects ---


def spoil(
    name: str, change: Callable[[Tensor], Tensor]
) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    def spoiled(values: dict[str, Tensor]) -> dict[str, Tensor]:
        bad = values[name].clone()
        bad[1] = change(bad[1])
        return {**values, name: bad}

    return spoiled


DEGENERATE = {
    "NaN object points": spoil("x3d", lambda x: torch.full_like(x, torch.nan)),
    "one NaN image point": spoil(
        "x2d", lambda x: torch.where(torch.arange(len(x))[:, None] == 3, torch.nan, x)
    ),
    "infinite weights": spoil("w2d", lambda x: torch.full_like(x, torch.inf)),
    "absurd weights": spoil("w2d", lambda x: x * 1e30),
    "negative weights": spoil("w2d", lambda x: -x),
    "zero weights": spoil("w2d", torch.zeros_like),
    "coincident object points": spoil("x3d", torch.zeros_like),
    "coincident image points": spoil("x2d", lambda x: x[:1].expand_as(x)),
    "all points masked": spoil("mask", torch.zeros_like),
    "one point left": spoil("mask", lambda x: torch.arange(len(x)) == 0),
    "NaN camera": spoil("matrix", lambda x: torch.full_like(x, torch.nan)),
}


def build(values: dict[str, Tensor]) -> tuple[PnPProblem, list[Tensor]]:
    inputs = [values[name].clone().requires_grad_() for name in ("x3d", "x2d", "w2d")]
    view = Camera.for_image(values["matrix"], scenes.SIZE)
    return PnPProblem.adaptive(Correspondences(*inputs, values["mask"]), view), inputs


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("solver", ["lm", "gauss_newton"])
@SPACES
def test_degenerate_objects_are_flagged_and_leave_their_neighbours_alone(
    space: type[PoseSpace], name: str, dtype: torch.dtype, solver: str
) -> None:
    problem, pose = scenes.problem((3,), dtype=dtype, space=space)
    values = {field: getattr(problem.points, field) for field in ("x3d", "x2d", "w2d")}
    values |= {"mask": torch.ones(3, 24, dtype=torch.bool), "matrix": problem.camera.matrix}
    layer = scenes.layer(space, **SMALL, solver=solver)
    results = []
    for given in (values, DEGENERATE[name](values)):
        problem, inputs = build(given)
        estimate, samples, loss = run(problem, pose, layer)
        step = gauss_newton_step(problem, estimate.pose)
        gradients = torch.autograd.grad(loss.sum() + step.sum(), inputs)
        results.append((estimate, samples, loss, step, *gradients))
    whole, spoiled = results
    estimate, samples, loss, step, *gradients = spoiled
    assert estimate.valid.tolist() == [True, False, True] and samples.valid.tolist() == [
        True,
        False,
        True,
    ]
    assert loss[1] == 0
    assert (
        estimate.pose.isfinite().all() and samples.pose.isfinite().all() and step.isfinite().all()
    )
    assert all(gradient.isfinite().all() for gradient in gradients)
    for first, second in zip(whole[2:], spoiled[2:]):
        torch.testing.assert_close(second[[0, 2]], first[[0, 2]], rtol=0, atol=0)
    torch.testing.assert_close(samples.pose[:, [0, 2]], whole[1].pose[:, [0, 2]], rtol=0, atol=0)


@pytest.mark.parametrize("depth", [-5.0, 0.05])
@SPACES
def test_an_object_behind_the_camera_is_flagged(space: type[PoseSpace], depth: float) -> None:
    problem, pose = scenes.problem((3,), space=space)
    behind = pose.clone()
    middle = space.transform(pose, problem.points.mean_x3d()[..., None, :])[1, 0]
    behind[1, 2] += depth - middle[2]
    x2d = problem.camera.each_point().project(space.transform(behind, problem.points.x3d))
    problem = PnPProblem.adaptive(
        Correspondences(problem.points.x3d, x2d, problem.points.w2d), problem.camera
    )
    layer = scenes.layer(space, mc_samples=64, init=None)
    estimate = layer.solve(problem, behind)
    samples = layer.sample(problem, estimate, seeded(0))
    assert estimate.valid.tolist() == [True, False, True]
    loss = monte_carlo_pose_loss(samples, problem.cost(behind))
    assert loss[1] == 0 and loss.isfinite().all()


@SPACES
def test_starts_that_are_no_poses_are_ignored_or_flagged(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    broken = pose.clone()
    broken[1] = torch.nan if space is YawPose else 0.0
    assert scenes.layer(space, **SMALL).solve(problem, broken, seeded(0)).valid.all()
    alone = scenes.layer(space, init=None).solve(problem, broken)
    assert alone.valid.tolist() == [True, False, True]
    assert (
        scenes.layer(space, mc_samples=8, init=None)
        .sample(problem, alone, seeded(0))
        .pose.isfinite()
        .all()
    )


def test_a_threshold_that_is_not_positive_is_flagged() -> None:
    problem, pose = scenes.problem((4,))
    delta = problem.delta.clone()
    delta[1], delta[2] = torch.nan, -1.0
    estimate = EProPnP4DoF(init=None).solve(PnPProblem(problem.points, problem.camera, delta), pose)
    assert estimate.valid.tolist() == [True, False, False, True]


# --- nothing is copied to the host ---


class NoHostCopies(TorchDispatchMode):
    """Raises where an operation would make a GPU wait for the host, or give a shape that depends on
    values.
    """

    FORBIDDEN = (
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "unique",
        "is_nonzero",
        "equal",
        "allclose",
    )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put_", "index_put") and any(
            isinstance(index, Tensor) and index.dtype == torch.bool
            for index in args[1]
            if index is not None
        )
        if by_mask or any(name.startswith(word) for word in self.FORBIDDEN):
            raise AssertionError(f"{name} copies to the host")
        return func(*args, **(kwargs or {}))


def test_the_guard_sees_host_copies() -> None:
    for forbidden in (
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: bool((x > 0).all()),
        lambda x: x.nonzero(),
    ):
        with pytest.raises(AssertionError, match="host"), NoHostCopies():
            forbidden(torch.randn(3))


@pytest.mark.parametrize("solver", ["lm", "gauss_newton"])
@SPACES
def test_nothing_is_copied_to_the_host(space: type[PoseSpace], solver: str) -> None:
    scene, pose = scenes.problem((3,), dtype=torch.float32, space=space)
    values = [
        value.clone().requires_grad_()
        for value in (scene.points.x3d, scene.points.x2d, scene.points.w2d)
    ]
    mask = torch.ones(3, 24, dtype=torch.bool)
    layer = scenes.layer(space, **SMALL, solver=solver)
    with NoHostCopies():
        problem = PnPProblem.adaptive(Correspondences(*values, mask), scene.camera)
        estimate, samples = layer(problem, pose, seeded(0))
        loss = (
            monte_carlo_pose_loss(samples, problem.cost(pose)).sum()
            + gauss_newton_step(problem, estimate.pose).sum()
        )
        told = (
            estimate.covariance,
            estimate.inverse().covariance,
            samples.effective_sample_size,
            samples.mean,
            samples.quantiles([0.5]),
        )
        (loss + sum(value.sum() for value in told)).backward()


# --- records ---


def test_records_index_move_and_stay_frozen() -> None:
    problem, pose = scenes.problem((2, 3))
    estimate = EProPnP4DoF(init=None).solve(problem, pose)
    assert estimate[1].covariance.shape == (3, 4, 4) and estimate[0, 2].pose.shape == (4,)
    chosen = problem[torch.tensor([1, 1, 0])]
    assert chosen.shape == (3, 3)
    single = estimate.to(torch.float32)
    assert single.pose.dtype == torch.float32 and single.valid.dtype == torch.bool
    with pytest.raises(FrozenInstanceError):
        estimate.pose = pose
    torch.testing.assert_close(replace(estimate, pose=pose).pose, pose)


@SPACES
def test_float32_losses_are_those_of_float64(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((8,), space=space)
    layer = scenes.layer(space, mc_samples=64, init=None)
    drawn = layer.sample(problem, layer.solve(problem, pose), seeded(0))
    single = problem.to(torch.float32).cost(drawn.pose.float()).double()
    torch.testing.assert_close(
        single,
        problem.cost(drawn.pose),
        rtol=EXACT_FLOAT32,
        atol=EXACT_FLOAT32 * float(single.max()),
    )
