"""Meshes: as large as their boxes, of nuScenes' sizes, and with an appearance that shows their
heading.
"""

from __future__ import annotations

import numpy as np
import pytest

from epropnp_det.detection.data.nuscenes_classes import (
    ADMITTED_ATTRIBUTES,
    CLASSES,
    SIZE_MEAN,
    SIZE_STD,
)
from epropnp_det.synthetic import catalog
from epropnp_det.synthetic.catalog import KINDS, MARGIN, Kind
from epropnp_det.synthetic.habits import HABITS
from epropnp_det.synthetic.raycast import RayCaster
from epropnp_det.synthetic.shapes import Shape, box, join, panel, side
from epropnp_det.synthetic.vehicles import Lamps
from tests import tolerances

VIEW_CELLS = 48
WITH_REAR_LAMPS = [
    kind for kind in KINDS if kind.class_name not in ("pedestrian", "traffic_cone", "barrier")
]
WITH_HEADING = [kind for kind in KINDS if kind.class_name not in ("traffic_cone", "barrier")]


def name_of(kind: Kind) -> str:
    return f"{kind.class_name}-{kind.build.__name__}"


def example(kind: Kind, seed: int) -> Shape:
    rng = np.random.default_rng(seed)
    return kind.mesh(kind.draw_size(rng), rng, Lamps.DRIVING)


def seen_from(shape: Shape, direction: float) -> np.ndarray:
    """Triangles (n, n) that parallel rays along x find, from ahead (direction -1) or from behind
    (1); -1 for none.
    """
    low = shape.vertices.min(axis=0)
    high = shape.vertices.max(axis=0)
    y, z = np.meshgrid(
        *(np.linspace(low[axis], high[axis], VIEW_CELLS) for axis in (1, 2)), indexing="ij"
    )
    origins = np.stack([np.full(y.size, -10.0 * direction), y.ravel(), z.ravel()], axis=-1)
    return (
        RayCaster(shape.triangles)
        .triangles_hit(origins, np.array([direction, 0.0, 0.0]))
        .reshape(VIEW_CELLS, VIEW_CELLS)
    )


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_mesh_fills_its_box_but_for_the_margin(kind):
    rng = np.random.default_rng(1)
    size = kind.draw_size(rng)
    vertices = kind.mesh(size, rng, Lamps.OFF).vertices
    np.testing.assert_allclose(
        vertices.max(axis=0), np.array(size) / 2 - MARGIN, rtol=tolerances.EXACT
    )
    np.testing.assert_allclose(
        vertices.min(axis=0), MARGIN - np.array(size) / 2, rtol=tolerances.EXACT
    )


@pytest.mark.parametrize("class_name", CLASSES)
def test_sizes_lie_around_the_mean_of_the_class(class_name):
    rng = np.random.default_rng(2)
    index = CLASSES.index(class_name)
    kinds = [kind for kind in KINDS if kind.class_name == class_name]
    sizes = np.array([kind.draw_size(rng) for kind in kinds for _ in range(200)])[:, [0, 2, 1]]
    deviation = (sizes - SIZE_MEAN[index]) / SIZE_STD[index]
    assert (sizes > 0).all()
    assert (
        np.abs(deviation.mean(axis=0)).max() < 1
    )  # the kinds of a class may differ in what they are
    assert np.abs(deviation).max() < 4


@pytest.mark.parametrize("kind", WITH_REAR_LAMPS, ids=name_of)
@pytest.mark.parametrize("seed", [3, 4])
def test_red_lamps_are_seen_from_behind_and_not_from_ahead(kind, seed):
    shape = example(kind, seed)
    lamps = (shape.glow > 0) & (shape.colors[:, 0] > 0.5) & (shape.colors[:, 1] < 0.2)
    behind, ahead = (seen_from(shape, direction) for direction in (1.0, -1.0))
    red_behind, red_ahead = (int(lamps[view[view >= 0]].sum()) for view in (behind, ahead))
    assert red_ahead == 0
    # An excavator has its lamps on its flanks.
    assert red_behind > 0 or (lamps.any() and kind is catalog.MACHINE)


@pytest.mark.parametrize("kind", WITH_HEADING, ids=name_of)
@pytest.mark.parametrize("seed", [5, 6])
def test_front_and_rear_look_different(kind, seed):
    shape = example(kind, seed)
    ahead = seen_from(shape, -1.0)
    behind = seen_from(shape, 1.0)
    both = (ahead >= 0) & (behind >= 0)
    difference = np.abs(shape.colors[ahead[both]] - shape.colors[behind[both]]).max(axis=1)
    assert (difference > 0.15).mean() > 0.1


def test_a_panel_is_seen_before_its_wall():
    wall = dict(x=(0.0, 1.0), y=(-1.0, 1.0), z=(0.0, 2.0))
    shape = join(
        box(**wall, color=(1.0, 1.0, 1.0)),
        panel(side("front", **wall), (0.25, 0.75), (0.25, 0.75), (0.0, 0.0, 0.0)),
    )
    view = seen_from(shape, -1.0)
    share = (shape.colors[view[view >= 0], 0] == 0).mean()
    assert share == pytest.approx(0.25, abs=0.03)


def test_habits_follow_the_classes():
    for habit in HABITS:
        assert (habit.attribute or "none") in ADMITTED_ATTRIBUTES[habit.kind.class_name]
    assert {habit.kind.class_name for habit in HABITS} == set(CLASSES)
    used = {habit.attribute for habit in HABITS if habit.attribute}
    assert used == {name for names in ADMITTED_ATTRIBUTES.values() for name in names} - {"none"}
