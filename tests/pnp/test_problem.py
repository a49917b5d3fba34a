from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    PnPProblem,
    RandomSampleInit,
    SE3Pose,
    YawPose,
    ops,
)
from epropnp_det.pnp.spaces import pose_space
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, FAR_FRAME, FINITE_DIFFERENCE

from . import scenes
from .scenes import SPACES, seeded, uniform

# Operations of one call of `solve` in plain torch, with one candidate.
MOST_OPERATIONS = {YawPose: 3720, SE3Pose: 4850}


@pytest.fixture(params=[YawPose, SE3Pose], ids=["4dof", "6dof"])
def hard(request: pytest.FixtureRequest) -> tuple[PnPProblem, Tensor]:
    """Outliers, projections outside the limits and points nearer than the near plane; poses (4, 3,
    D).
    """
    space = request.param
    problem, pose = scenes.problem((3,), noise=20.0, space=space)
    pose = space.retract(pose, uniform((4, 3, space.tangent_dim), -1.0, 1.0, seeded(5)))
    pose[2, :, 0] += 15.0
    pose[3, :, 2] = 0.4
    return problem, pose


def image_errors(problem: PnPProblem, pose: Tensor) -> Tensor:
    """Weighted reprojection errors (S, ..., N, 2) before any robust kernel."""
    pixel = problem.camera.each_point().project(
        pose_space(pose).transform(pose, problem.points.x3d)
    )
    return problem.points.w2d * (pixel - problem.points.x2d)


def test_the_hard_problem_is_hard(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    xyz = pose_space(pose).transform(pose, problem.points.x3d)
    pixel, jacobian = problem.camera.each_point().project_with_jacobian(xyz)
    residual = problem.residual(pose).square().sum(-1)
    for some in (
        (jacobian == 0).all(-1),
        xyz[..., 2] < problem.camera.z_min,
        residual > problem.delta[:, None].square(),
    ):
        assert some.any() and not some.all()
    assert pixel.shape == (4, 3, 24, 2)


def test_cost_is_equation_11(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    length = image_errors(problem, pose).norm(dim=-1)
    delta = problem.delta[:, None]
    rho = {
        "huber": torch.where(length <= delta, length.square(), delta * (2 * length - delta)),
        "cauchy": delta**2 * (1 + (length / delta) ** 2).log(),
        "none": length.square(),
    }
    for name, expected in rho.items():
        robust = replace(problem, robust=name)
        torch.testing.assert_close(
            robust.cost(pose), 0.5 * expected.sum(-1), rtol=EXACT, atol=EXACT
        )
        torch.testing.assert_close(
            robust.linearize(pose).cost, robust.cost(pose), rtol=EXACT, atol=EXACT
        )


def test_residuals_are_rescaled_image_errors(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    errors = image_errors(problem, pose)
    shrink = (problem.delta[:, None] / errors.norm(dim=-1)).clamp(max=1).sqrt()
    torch.testing.assert_close(
        problem.residual(pose), shrink[..., None] * errors, rtol=EXACT, atol=EXACT
    )
    torch.testing.assert_close(
        replace(problem, robust="none").residual(pose), errors, rtol=EXACT, atol=EXACT
    )


def test_jacobian_against_autograd(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, poses = hard
    space, problem = pose_space(poses), replace(problem, robust="none")
    zero = torch.zeros(space.tangent_dim, dtype=torch.float64)
    for index in range(3):
        one = problem[index]
        for pose in poses[:, index]:
            jacobian = one.residual_with_jacobian(pose)[1]
            expected = torch.autograd.functional.jacobian(
                lambda t, one=one, pose=pose: image_errors(one, space.retract(pose, t)), zero
            )
            torch.testing.assert_close(jacobian, expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("robust", ["huber", "cauchy", "none"])
def test_normal_equations(robust: str, hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = replace(hard[0], robust=robust), hard[1]
    space, at = pose_space(pose), problem.linearize(pose)
    tangent = torch.zeros(4, 3, space.tangent_dim, dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(problem.cost(space.retract(pose, tangent)).sum(), tangent)[0]
    torch.testing.assert_close(
        at.gradient, gradient, rtol=EXACT, atol=EXACT * float(gradient.abs().max())
    )
    rows = problem.residual_with_jacobian(pose)[1].flatten(-3, -2)
    torch.testing.assert_close(
        at.hessian, rows.mT @ rows, rtol=EXACT, atol=EXACT * float(at.hessian.abs().max())
    )


@SPACES
def test_gradient_against_finite_differences(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((2,), space=space)
    step = 1e-5
    gradient = problem.linearize(pose).gradient
    for axis in range(space.tangent_dim):
        shift = torch.zeros(2, space.tangent_dim, dtype=torch.float64)
        shift[:, axis] = step
        slope = (
            problem.cost(space.retract(pose, shift)) - problem.cost(space.retract(pose, -shift))
        ) / (2 * step)
        torch.testing.assert_close(
            gradient[:, axis],
            slope,
            rtol=FINITE_DIFFERENCE,
            atol=FINITE_DIFFERENCE * float(gradient.abs().max()),
        )


@SPACES
@pytest.mark.parametrize("robust", ["huber", "cauchy", "none"])
def test_cost_gradients_in_all_inputs(space: type[PoseSpace], robust: str) -> None:
    problem, pose = scenes.problem((2,), number=5, space=space)
    points = problem.points
    inputs = tuple(
        value.clone().requires_grad_()
        for value in (points.x3d, points.x2d, points.w2d, pose[None] + 0.1)
    )

    def cost(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        return PnPProblem.adaptive(
            Correspondences(x3d, x2d, w2d), problem.camera, robust=robust
        ).cost(pose)

    assert torch.autograd.gradcheck(cost, inputs)


@SPACES
@pytest.mark.parametrize("robust", ["huber", "cauchy", "none"])
def test_hessian_is_exact_where_residuals_vanish(space: type[PoseSpace], robust: str) -> None:
    problem, pose = scenes.problem((), noise=0.0, space=space)
    problem, zero = (
        replace(problem, robust=robust),
        torch.zeros(space.tangent_dim, dtype=torch.float64),
    )
    expected = torch.autograd.functional.hessian(
        lambda t: problem.cost(space.retract(pose, t)), zero
    )
    torch.testing.assert_close(
        problem.linearize(pose).hessian,
        expected,
        rtol=EXACT,
        atol=EXACT * float(expected.abs().max()),
    )


@pytest.mark.parametrize("tilt", [False, True])
def test_mirrored_problem_has_the_same_cost(tilt: bool, hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    if tilt:
        cos, sin = 0.8, 0.6
        problem = PnPProblem(
            problem.points,
            problem.camera.rotate(torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])),
            problem.delta,
        )
    points = problem.points
    mirrored = Correspondences(
        points.x3d * torch.tensor([1, 1, -1]),
        torch.tensor([1600, 0]) + points.x2d * torch.tensor([-1, 1]),
        points.w2d,
        points.mask,
    )
    expected = problem.cost(pose)
    torch.testing.assert_close(
        PnPProblem.adaptive(mirrored, problem.camera.flip(1600.0)).cost(
            pose_space(pose).mirror(pose)
        ),
        expected,
    )


def test_centring_and_cropping_change_no_cost(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    centred, mean = problem.centre()
    torch.testing.assert_close(
        centred.points.x3d.mean(-2), torch.zeros(3, 3, dtype=torch.float64), rtol=0, atol=EXACT
    )
    torch.testing.assert_close(
        centred.cost(pose_space(pose).translate_object_frame(pose, mean)),
        problem.cost(pose),
        rtol=EXACT,
        atol=EXACT,
    )
    torch.testing.assert_close(
        problem.crop_to_points().cost(pose), problem.cost(pose), rtol=EXACT, atol=EXACT
    )


def test_sample_dims_batch_dims_and_indexing() -> None:
    problem, pose = scenes.problem((2, 3))
    samples = pose + uniform((4, 5, 2, 3, 4), -0.3, 0.3, seeded(1))
    cost = problem.cost(samples)
    assert cost.shape == (4, 5, 2, 3)
    for row, column in ((0, 0), (1, 2)):
        torch.testing.assert_close(
            problem[row, column].cost(samples[:, :, row, column]), cost[:, :, row, column]
        )
    at = problem.linearize(samples[:, 0])
    assert at.gradient.shape == (4, 2, 3, 4) and at.hessian.shape == (4, 2, 3, 4, 4)
    assert problem.cost(pose[0, 0]).shape == (2, 3)
    assert problem[:0].cost(samples[:, :, :0]).shape == (4, 5, 0, 3)


def test_masked_points_change_nothing() -> None:
    problem, pose = scenes.problem((3,), number=12)
    points = problem.points
    rubbish = torch.tensor([torch.nan, 1e30, -5.0]).double()[:, None].expand(3, 3, 3)
    padded = (
        torch.cat((value, rubbish[..., : value.shape[-1]]), dim=1)
        for value in (points.x3d, points.x2d, points.w2d)
    )
    mask = (torch.arange(15) < 12).expand(3, -1)
    masked = PnPProblem.adaptive(Correspondences(*padded, mask), problem.camera)
    torch.testing.assert_close(masked.delta, problem.delta)
    torch.testing.assert_close(masked.cost(pose), problem.cost(pose))
    torch.testing.assert_close(masked.linearize(pose).hessian, problem.linearize(pose).hessian)
    torch.testing.assert_close(masked.centre()[1], problem.centre()[1])
    torch.testing.assert_close(masked.usable, problem.usable)
    torch.testing.assert_close(masked[1].cost(pose[1]), problem[1].cost(pose[1]))


@SPACES
def test_what_is_no_pose_costs_infinity_without_gradient(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), number=5, space=space)
    x3d = problem.points.x3d.clone().requires_grad_()
    pose[1] = torch.nan if space is YawPose else 0.0
    cost = PnPProblem(
        Correspondences(x3d, problem.points.x2d, problem.points.w2d), problem.camera, problem.delta
    ).cost(pose)
    assert cost.isinf().tolist() == [False, True, False]
    cost.sum().backward()
    assert x3d.grad is not None and (x3d.grad[1] == 0).all() and (x3d.grad[0] != 0).any()


# --- settings ---


def test_threshold_may_keep_its_gradient_from_the_image_points() -> None:
    problem, pose = scenes.problem((2,), noise=30.0)
    points = problem.points
    x2d, w2d = points.x2d.clone().requires_grad_(), points.w2d.clone().requires_grad_()
    detached, attached = (
        PnPProblem.adaptive(
            Correspondences(points.x3d, x2d, w2d), problem.camera, through_x2d=through
        )
        for through in (False, True)
    )
    torch.testing.assert_close(detached.delta, attached.delta)
    fixed = PnPProblem(Correspondences(points.x3d, x2d, points.w2d), problem.camera, problem.delta)
    expected = torch.autograd.grad(fixed.cost(pose).sum(), x2d)[0]
    torch.testing.assert_close(
        torch.autograd.grad(detached.cost(pose).sum(), x2d, retain_graph=True)[0], expected
    )
    assert not torch.allclose(torch.autograd.grad(attached.cost(pose).sum(), x2d)[0], expected)
    assert (torch.autograd.grad(detached.delta.sum(), w2d)[0] != 0).all()


def test_an_unknown_robust_kernel_is_named_with_the_remedy() -> None:
    problem, _ = scenes.problem((2,))
    with pytest.raises(
        ValueError, match=r"unknown robust kernel 'tukey'; use one of 'huber', 'cauchy', 'none'"
    ):
        replace(problem, robust="tukey")


def test_robust_kernel_survives_all_changes_of_the_problem() -> None:
    problem = PnPProblem.adaptive(
        scenes.points(scenes.poses((2,), seeded(0))), scenes.camera(), robust="cauchy"
    )
    for changed in (
        problem[0],
        problem.to(torch.float32),
        problem.centre()[0],
        problem.crop_to_points(),
        problem.detach(),
    ):
        assert changed.robust == "cauchy"


# --- what poses can be found ---


def test_points_on_a_line_leave_a_rigid_pose_open() -> None:
    problem, _ = scenes.problem((3,))
    share = uniform((3, 24, 1), -2.0, 2.0, seeded(3))
    line = share * torch.tensor([1.0, 2.0, -0.5]) + torch.tensor([0.3, -1.0, 2.0])
    x3d = torch.stack(
        (
            line[0],
            problem.points.x3d[1],
            line[2] + torch.eye(3, dtype=torch.float64)[0] * (share[2] > 1.5),
        )
    )
    for dtype in (torch.float32, torch.float64):
        given = PnPProblem(replace(problem.points, x3d=x3d), problem.camera, problem.delta).to(
            dtype
        )
        assert given.determines(YawPose).tolist() == [True, True, True]
        assert given.determines(SE3Pose).tolist() == [False, True, True]
    light = replace(problem.points, x3d=x3d, w2d=problem.points.w2d * (share <= 1.5))
    assert PnPProblem(light, problem.camera, problem.delta).determines(SE3Pose).tolist() == [
        False,
        True,
        False,
    ]


# --- inputs ---


def test_half_precision_becomes_float32() -> None:
    problem, _ = scenes.problem((2,), dtype=torch.float32)
    half = Correspondences(
        *(value.half() for value in (problem.points.x3d, problem.points.x2d, problem.points.w2d))
    )
    assert PnPProblem.adaptive(half, problem.camera).delta.dtype == torch.float32


@pytest.mark.parametrize("name", ["x2d", "w2d", "mask"])
def test_shapes_that_do_not_belong_together_are_refused(name: str) -> None:
    mask = torch.ones(2, 5, dtype=torch.bool)
    values = {
        "x3d": torch.zeros(2, 5, 3),
        "x2d": torch.zeros(2, 5, 2),
        "w2d": torch.zeros(2, 5, 2),
        "mask": mask,
    }
    values[name] = values[name][:, :4]
    with pytest.raises(ValueError, match=name):
        Correspondences(**values)


def test_one_camera_for_all_objects_or_one_for_each() -> None:
    problem, pose = scenes.problem((3,))
    each = PnPProblem(problem.points, Camera.stack([scenes.camera()] * 3), problem.delta)
    torch.testing.assert_close(each.cost(pose), problem.cost(pose))


def test_inputs_of_any_kind_become_tensors_of_one_dtype() -> None:
    """numpy and nested lists as well; a single float64 among them makes all of them float64."""
    points = scenes.problem((2,), number=5, dtype=torch.float32)[0].points
    whole = Correspondences(points.x3d, points.x2d, points.w2d)
    values = {name: getattr(points, name) for name in ("x3d", "x2d", "w2d")}
    for name in values:
        mixed = Correspondences(**{**values, name: values[name].double()})
        assert {mixed.x3d.dtype, mixed.x2d.dtype, mixed.w2d.dtype} == {torch.float64}
        for convert in (Tensor.numpy, Tensor.tolist):
            given = Correspondences(**{**values, name: convert(values[name])})
            assert torch.equal(getattr(given, name), getattr(whole, name))
    for dtype in (torch.float64, torch.uint8, torch.int64, torch.float16):
        mask = (torch.arange(5) < torch.tensor([[3], [5]])).to(dtype)
        given = Correspondences(**values, mask=mask)
        assert given.mask is not None and given.mask.dtype == torch.bool
        assert given.mask.sum(-1).tolist() == [3, 5]
        assert Correspondences(**values, mask=mask.tolist()).mask.equal(given.mask)
    assert PnPProblem(whole, scenes.camera(), [1.0, 2.0]).delta.tolist() == [1.0, 2.0]


def test_values_that_are_no_numbers_are_refused_by_name() -> None:
    points = scenes.problem((2,), number=5)[0].points
    with pytest.raises(ValueError, match=r"x2d must be real numbers, not torch\.complex128"):
        Correspondences(points.x3d, points.x2d.to(torch.complex128), points.w2d)
    with pytest.raises(ValueError, match="w2d must be a tensor, an array or nested lists"):
        Correspondences(points.x3d, points.x2d, "ones")


def test_transposed_object_points_are_recognised() -> None:
    points = scenes.problem((2,), number=5)[0].points
    with pytest.raises(
        ValueError, match=r"x3d has shape \(2, 3, 5\), which is transposed.*x3d\.mT"
    ):
        Correspondences(points.x3d.mT, points.x2d.mT, points.w2d.mT)


def test_batch_dims_that_do_not_fit_are_named() -> None:
    problem, _ = scenes.problem((2,), number=5)
    with pytest.raises(ValueError, match=r"camera has batch dims \(3,\).*\(2,\)"):
        PnPProblem(problem.points, scenes.camera().expand(3), problem.delta)
    with pytest.raises(ValueError, match=r"delta has batch dims \(3,\).*\(2,\)"):
        PnPProblem(problem.points, scenes.camera(), torch.ones(3))


@SPACES
@pytest.mark.parametrize("backend", ["torch", "cpp"])
def test_object_frames_far_from_their_points_are_solved(
    backend: str, space: type[PoseSpace]
) -> None:
    """Coordinates of maps: millions of metres, in float64."""
    if backend not in ops.available():
        pytest.skip("the compiled kernels were not built")
    problem, _ = scenes.problem((3,), space=space)
    offset = torch.tensor([4e5, 6.7e6, 800.0], dtype=torch.float64)
    points = problem.points
    with ops.use_backend(backend):
        far = PnPProblem.adaptive(
            Correspondences(points.x3d + offset, points.x2d, points.w2d), problem.camera
        )
        layer = scenes.layer(space)
        near = layer.solve(problem, generator=seeded(0))
        found = layer.solve(far, generator=seeded(0))
    assert found.valid.all() and far.usable.all()
    expected = space.camera_centre(near.pose)
    actual = space.camera_centre(found.pose) - offset
    torch.testing.assert_close(actual, expected, rtol=0, atol=FAR_FRAME)


def test_absurd_magnitudes_are_flagged() -> None:
    points = scenes.problem((3,), number=5)[0].points
    x3d = points.x3d.clone()
    x3d[1, 0] += 1e7  # a point far from the others
    x3d[2] += 1e10  # a frame far from everything
    problem = PnPProblem.adaptive(Correspondences(x3d, points.x2d, points.w2d), scenes.camera())
    assert problem.usable.tolist() == [True, False, False]


class Operations(TorchDispatchMode):
    """Names of the operations that torch runs."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@SPACES
def test_points_are_sanitized_once(space: type[PoseSpace]) -> None:
    """Where they enter: what is derived from checked points is not checked again."""
    problem, pose = scenes.problem((3,), space=space)
    layer = scenes.layer(space, init=RandomSampleInit(candidates=1))
    with ops.use_backend("torch"):
        with Operations() as entering:
            entered = PnPProblem.adaptive(
                Correspondences(problem.points.x3d, problem.points.x2d, problem.points.w2d),
                problem.camera,
            )
        with Operations() as deriving:
            entered[0], entered.detach(), entered.centre(), entered.crop_to_points()
        with Operations() as solving:
            layer.solve(entered, pose, seeded(0))
        with Operations() as sampling:
            layer.sample(entered, layer.solve(entered, pose, seeded(0)), seeded(0))
    # A magnitude is compared with a limit where values are sanitized, and nowhere else.
    assert entering.names.count("le") == 5
    for derived in (deriving, solving, sampling):
        assert derived.names.count("le") == 0
    # Torch 2.4 composes some operations of several.
    if torch.__version__ >= "2.7":
        assert len(solving.names) <= MOST_OPERATIONS[space]
