"""Names, order and ranges of the nuScenes detection task: the defaults of the nuScenes configs."""

from collections.abc import Mapping
from types import MappingProxyType

# The order of mmdet3d's annotation files (`category_id`) and of the released checkpoints' class
# scores.
CLASSES: tuple[str, ...] = (
    "car",
    "truck",
    "trailer",
    "bus",
    "construction_vehicle",
    "bicycle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "barrier",
)

# Mean and standard deviation of (length, height, width) in metres over the nuScenes training set,
# in the order of `CLASSES`.
SIZE_MEAN = (
    (4.62, 1.73, 1.96),
    (6.94, 2.84, 2.52),
    (12.56, 3.89, 2.94),
    (11.22, 3.50, 2.95),
    (6.68, 3.21, 2.85),
    (1.70, 1.29, 0.61),
    (2.11, 1.46, 0.78),
    (0.73, 1.77, 0.67),
    (0.41, 1.08, 0.41),
    (0.50, 0.99, 2.52),
)
SIZE_STD = (
    (0.46, 0.24, 0.16),
    (2.11, 0.84, 0.45),
    (4.50, 0.77, 0.54),
    (2.06, 0.49, 0.33),
    (3.23, 0.93, 1.07),
    (0.26, 0.35, 0.16),
    (0.33, 0.29, 0.17),
    (0.19, 0.19, 0.14),
    (0.14, 0.27, 0.13),
    (0.17, 0.15, 0.62),
)

# `attribute_id` of the annotation files. "none" stands for "no attribute" and becomes '' in a
# submission.
ATTRIBUTES: tuple[str, ...] = (
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.moving",
    "pedestrian.standing",
    "pedestrian.sitting_lying_down",
    "vehicle.moving",
    "vehicle.parked",
    "vehicle.stopped",
    "none",
)
NO_ATTRIBUTE: int = ATTRIBUTES.index("none")

_CYCLE = ATTRIBUTES[:2]
_PEDESTRIAN = ATTRIBUTES[2:5]
_VEHICLE = ATTRIBUTES[5:8]
_NONE = ATTRIBUTES[8:]

# Attributes that a box of a class may have; the prediction is the arg-max over these.
ADMITTED_ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "car": _VEHICLE,
        "truck": _VEHICLE,
        "trailer": _VEHICLE,
        "bus": _VEHICLE,
        "construction_vehicle": _VEHICLE,
        "bicycle": _CYCLE,
        "motorcycle": _CYCLE,
        "pedestrian": _PEDESTRIAN,
        "traffic_cone": _NONE,
        "barrier": _NONE,
    }
)

# Metres from the ego vehicle, in the ground plane: the devkit's `detection_cvpr_2019` evaluates no
# box beyond (a test compares).
DETECTION_RANGE: Mapping[str, float] = MappingProxyType(
    {
        "car": 50.0,
        "truck": 50.0,
        "trailer": 50.0,
        "bus": 50.0,
        "construction_vehicle": 50.0,
        "bicycle": 40.0,
        "motorcycle": 40.0,
        "pedestrian": 40.0,
        "traffic_cone": 30.0,
        "barrier": 30.0,
    }
)

# Classes that a half turn does not change: the devkit counts the heading of barriers modulo pi, and
# that of cones not at all.
HALF_TURN_CLASSES = ("traffic_cone", "barrier")

# The same as a setting of a class set: of cones the devkit compares no heading at all.
SYMMETRY: Mapping[str, str] = MappingProxyType({"traffic_cone": "round", "barrier": "half_turn"})
# Classes whose velocity the devkit does not evaluate.
STATIC_CLASSES = ("traffic_cone", "barrier")
