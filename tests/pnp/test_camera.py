from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Camera
from tests.tolerances import EXACT

from .scenes import MATRIX, SIZE, camera, seeded, uniform


@pytest.fixture
def xyz() -> Tensor:
    """Points in view, outside the view, nearer than the near plane and behind the camera."""
    generator = seeded(0)
    return torch.stack(
        [
            uniform((400,), *limits, generator)
            for limits in ((-20.0, 20.0), (-8.0, 8.0), (-5.0, 30.0))
        ],
        dim=-1,
    )


def test_projection_of_points_in_view() -> None:
    (fx, _, cx), (_, fy, cy), _ = MATRIX
    pixel = camera().project(torch.tensor([1.0, -2.0, 10.0], dtype=torch.float64))
    torch.testing.assert_close(
        pixel, torch.tensor([fx / 10 + cx, -2 * fy / 10 + cy], dtype=torch.float64)
    )


def test_limits_and_near_plane(xyz: Tensor) -> None:
    pixel = camera().project(xyz)
    assert (pixel >= -200).all() and (pixel <= torch.tensor(SIZE) + 200).all()
    near = xyz[xyz[:, 2] < 0.1]
    assert len(near) > 20
    image = near @ camera().matrix.mT
    torch.testing.assert_close(
        camera().project(near), clipped(image[:, :2] / 0.1), rtol=EXACT, atol=EXACT
    )


def clipped(pixel: Tensor) -> Tensor:
    return pixel.clamp(-200, torch.inf).minimum(torch.tensor(SIZE) + 200.0)


@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_points_on_the_ray_of_a_pixel_project_to_it(tilt: float) -> None:
    turn = torch.tensor(
        [[1.0, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]]
    ).double()
    view = camera().rotate(turn).flip(1600.0).crop(30.0, 228.0)
    pixel = uniform((50, 2), 0.0, 600.0, seeded(0))
    ray = view.each_point().ray(pixel)
    assert (ray[:, 2] == 1).all()
    torch.testing.assert_close(view.each_point().project(7.5 * ray), pixel, rtol=EXACT, atol=EXACT)


def augmentations() -> dict[
    str, tuple[Callable[[Camera], Camera], Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]
]:
    """Name -> the camera's change, what it does to pixels, and what it does to the world."""
    flipped, world = torch.tensor([-1.0, 1.0]).double(), torch.tensor([-1.0, 1.0, 1.0]).double()
    factors, corner, edge = (
        torch.tensor([0.5, 0.4], dtype=torch.float64),
        torch.tensor([30.0, 228.0]).double(),
        torch.tensor([1600.0, 0.0]),
    )
    return {
        "crop": (
            lambda view: view.crop(30.0, 228.0),
            lambda pixel: pixel - corner,
            lambda xyz: xyz,
        ),
        "scale": (
            lambda view: view.scale(0.5, 0.4),
            lambda pixel: pixel * factors,
            lambda xyz: xyz,
        ),
        "flip": (
            lambda view: view.flip(1600.0),
            lambda pixel: edge + flipped * pixel,
            lambda xyz: xyz * world,
        ),
        "all": (
            lambda view: view.crop(30.0, 228.0).scale(0.5, 0.4).flip(700.0),
            lambda pixel: torch.tensor([700.0, 0.0]) + flipped * (pixel - corner) * factors,
            lambda xyz: xyz * world,
        ),
    }


@pytest.mark.parametrize("name", ["crop", "scale", "flip", "all"])
@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_augmentations_commute_with_projection(name: str, tilt: float, xyz: Tensor) -> None:
    change, on_pixels, on_world = augmentations()[name]
    view = camera().rotate(pitch(tilt))
    torch.testing.assert_close(
        change(view).project(on_world(xyz)), on_pixels(view.project(xyz)), rtol=EXACT, atol=EXACT
    )


@pytest.mark.parametrize("name", ["crop", "scale", "flip", "all"])
def test_augmentations_leave_the_camera_alone(name: str) -> None:
    view = camera()
    before = pickle.dumps(view)
    augmentations()[name][0](view)
    assert pickle.dumps(view) == before


def test_flip_twice_is_nothing(xyz: Tensor) -> None:
    torch.testing.assert_close(
        camera().flip(1600.0).flip(1600.0).project(xyz),
        camera().project(xyz),
        rtol=EXACT,
        atol=EXACT,
    )


def test_flip_keeps_the_focal_length_positive() -> None:
    matrix = camera().flip(1600.0).matrix
    assert matrix[0, 0] == MATRIX[0][0] and matrix[0, 2] == 1600 - MATRIX[0][2]


def pitch(angle: float) -> Tensor:
    cos, sin = torch.tensor(angle).double().cos(), torch.tensor(angle).double().sin()
    return torch.stack(
        [
            torch.tensor([1.0, 0.0, 0.0]).double(),
            torch.stack((0 * cos, cos, -sin)),
            torch.stack((0 * cos, sin, cos)),
        ]
    )


def test_a_tilted_camera_folds_its_rotation_into_the_matrix(xyz: Tensor) -> None:
    rotation = pitch(0.3)
    torch.testing.assert_close(
        camera().rotate(rotation).project(xyz),
        camera().project(xyz @ rotation.mT),
        rtol=EXACT,
        atol=EXACT,
    )
    torch.testing.assert_close(
        camera().rotate(rotation).depth(xyz), (xyz @ rotation.mT)[:, 2], rtol=EXACT, atol=EXACT
    )


@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_jacobian_against_autograd(tilt: float, xyz: Tensor) -> None:
    view = camera().rotate(pitch(tilt))
    xyz = xyz.clone().requires_grad_()
    pixel, jacobian = view.project_with_jacobian(xyz)
    expected = torch.stack(
        [torch.autograd.grad(pixel[:, axis].sum(), xyz, retain_graph=True)[0] for axis in (0, 1)],
        dim=-2,
    )
    clipped = (pixel == view.clip_min) | (pixel == view.clip_max)
    assert clipped.any() and (~clipped).any()
    torch.testing.assert_close(jacobian, expected, rtol=EXACT, atol=EXACT)
    assert (jacobian[clipped] == 0).all()


def test_unclipped_jacobian_keeps_all_rows(xyz: Tensor) -> None:
    wide = Camera(camera().matrix, camera().clip_min - 1e9, camera().clip_max + 1e9)
    torch.testing.assert_close(
        camera().project_with_jacobian(xyz, zero_clipped=False)[1],
        wide.project_with_jacobian(xyz)[1],
    )


def test_batches_of_cameras() -> None:
    views = [camera(), camera().crop(10.0, 20.0), camera().scale(0.5, 0.5)]
    xyz = torch.cat(
        (uniform((3, 7, 2), -3.0, 3.0, seeded(1)), uniform((3, 7, 1), 5.0, 20.0, seeded(2))), dim=-1
    )
    together = Camera.stack(views).each_point().project(xyz)
    torch.testing.assert_close(
        together, torch.stack([view.project(points) for view, points in zip(views, xyz)])
    )
    torch.testing.assert_close(Camera.stack(views)[1].matrix, views[1].matrix)
    assert Camera.stack(views)[torch.tensor([0, 2])].shape == (2,)


def test_a_crop_of_each_cameras_own() -> None:
    corner = uniform((3, 2), 0.0, 100.0, seeded(3))
    together = camera().expand(3).crop(*corner.unbind(-1))
    for index in range(3):
        alone = camera().crop(float(corner[index, 0]), float(corner[index, 1]))
        torch.testing.assert_close(together[index].matrix, alone.matrix)
        torch.testing.assert_close(together[index].clip_max, alone.clip_max)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_factors_and_widths_of_each_cameras_own(number: int) -> None:
    factors = uniform((2, number), 0.3, 2.0, seeded(4))
    width = uniform((number,), 500.0, 900.0, seeded(5))
    for cameras in (camera(), camera().expand(number)):
        scaled = cameras.scale(*factors.unbind(0))
        halved = cameras.scale(factors[0], 0.5)
        flipped = cameras.crop(3.0, 4.0).flip(width)
        for index in range(number):
            first, second = (float(factor) for factor in factors[:, index])
            pairs = (
                (scaled, camera().scale(first, second)),
                (halved, camera().scale(first, 0.5)),
                (flipped, camera().crop(3.0, 4.0).flip(float(width[index]))),
            )
            for together, alone in pairs:
                for name in ("matrix", "clip_min", "clip_max", "image_origin"):
                    torch.testing.assert_close(getattr(together[index], name), getattr(alone, name))


def test_the_former_name_of_the_image_origin_still_works_with_a_warning() -> None:
    whole = camera()
    with pytest.warns(DeprecationWarning, match="image_origin"):
        view = Camera(whole.matrix, whole.clip_min, whole.clip_max, corner=torch.tensor([3.0, 4.0]))
    with pytest.warns(DeprecationWarning, match="image_origin"):
        assert view.corner.tolist() == view.image_origin.tolist() == [3.0, 4.0]


def test_limits_that_do_not_fit_the_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="do not broadcast"):
        Camera(torch.eye(3).expand(2, 3, 3), torch.zeros(3, 2), torch.ones(3, 2))


def test_pickles_and_casts() -> None:
    view = pickle.loads(pickle.dumps(camera().crop(1.0, 2.0)))
    torch.testing.assert_close(view.matrix, camera().crop(1.0, 2.0).matrix)
    assert view.to(torch.float32).clip_min.dtype == torch.float32


@pytest.mark.parametrize(
    "matrix",
    [[1260.0, 1250.0, 816.0], [[1.0, 0.0], [0.0, 1.0]], torch.zeros(3, 4)],
    ids=["list", "2x2", "3x4"],
)
def test_intrinsics_that_are_not_3x3_are_refused(matrix: object) -> None:
    with pytest.raises(ValueError, match="3x3"):
        Camera.for_image(matrix, SIZE)
