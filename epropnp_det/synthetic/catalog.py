"""The kinds of objects: class, nuScenes category, size and mesh of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from epropnp_det.detection.data.nuscenes_classes import CLASSES, SIZE_MEAN, SIZE_STD

from . import cycles, machines, people, roadworks, vehicles
from .shapes import Shape
from .vehicles import Lamps, Size

# Sizes further from the mean than this many standard deviations are not drawn.
MAX_SIGMAS = 1.5
# Share of a size's deviation that length, height and width have in common (correlation 0.36): large
# trucks are large all over.
COMMON_SHARE = 0.6
# A box is this much larger than its mesh on every side, and stands this much above the ground: no
# point of a surface lies on a face of a box, where rounding would decide whether it is inside.
MARGIN = 0.005

Builder = Callable[[Size, np.random.Generator, Lamps], Shape]


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    Args:
        class_name: detection class.
        category: name in nuScenes' category table.
        build: makes the mesh.
        offset: (length, height, width) of its mean size, in standard deviations from the mean of
            the class.
        spread: standard deviation of its sizes, in those of the class.
    """

    class_name: str
    category: str
    build: Builder
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spread: float = 0.9

    def draw_size(self, rng: np.random.Generator) -> Size:
        """Length, width and height in metres, each within MAX_SIGMAS of the kind's mean."""
        index = CLASSES.index(self.class_name)
        deviation = COMMON_SHARE * rng.standard_normal() + (
            1 - COMMON_SHARE**2
        ) ** 0.5 * rng.standard_normal(3)
        sigmas = self.offset + self.spread * np.clip(deviation, -MAX_SIGMAS, MAX_SIGMAS)
        length, height, width = np.round(
            np.array(SIZE_MEAN[index]) + np.array(SIZE_STD[index]) * sigmas, 3
        ).tolist()
        return (length, width, height)

    def mesh(self, size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
        """A mesh centred on the origin whose bounding box is MARGIN smaller than `size` on every
        side.
        """
        length, width, height = size
        return self.build(size, rng, lamps).fitted(
            (length - 2 * MARGIN, width - 2 * MARGIN, height - 2 * MARGIN)
        )


CAR = Kind("car", "vehicle.car", vehicles.car)
TRUCK = Kind("truck", "vehicle.truck", vehicles.truck)
TRACTOR = Kind("truck", "vehicle.truck", vehicles.tractor, offset=(-0.4, 0.5, 0.0), spread=0.3)
TRAILER = Kind("trailer", "vehicle.trailer", vehicles.trailer)
BUS = Kind("bus", "vehicle.bus.rigid", vehicles.bus)
MACHINE = Kind(
    "construction_vehicle",
    "vehicle.construction",
    machines.machine,
    offset=(0.1, 0.0, 0.0),
    spread=0.7,
)
BICYCLE = Kind("bicycle", "vehicle.bicycle", cycles.bicycle, offset=(0.0, -0.7, 0.0), spread=0.4)
CYCLIST = Kind(
    "bicycle", "vehicle.bicycle", cycles.bicycle_with_rider, offset=(0.1, 1.1, 0.0), spread=0.4
)
MOTORCYCLE = Kind(
    "motorcycle", "vehicle.motorcycle", cycles.motorcycle, offset=(0.0, -0.8, 0.0), spread=0.5
)
MOTORCYCLIST = Kind(
    "motorcycle",
    "vehicle.motorcycle",
    cycles.motorcycle_with_rider,
    offset=(0.0, 0.75, 0.0),
    spread=0.5,
)
WALKER = Kind(
    "pedestrian", "human.pedestrian.adult", people.walking, offset=(0.3, 0.0, 0.0), spread=0.6
)
STANDER = Kind(
    "pedestrian", "human.pedestrian.adult", people.standing, offset=(-1.0, 0.0, 0.0), spread=0.6
)
SITTER = Kind(
    "pedestrian", "human.pedestrian.adult", people.sitting, offset=(0.2, -2.3, 0.0), spread=0.5
)
CONE = Kind("traffic_cone", "movable_object.trafficcone", roadworks.cone)
BARRIER = Kind("barrier", "movable_object.barrier", roadworks.barrier)

KINDS = (
    CAR,
    TRUCK,
    TRACTOR,
    TRAILER,
    BUS,
    MACHINE,
    BICYCLE,
    CYCLIST,
    MOTORCYCLE,
    MOTORCYCLIST,
    WALKER,
    STANDER,
    SITTER,
    CONE,
    BARRIER,
)
