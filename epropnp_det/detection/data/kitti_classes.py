"""Types of KITTI's labels, and the classes that they are by default."""

from collections.abc import Mapping
from types import MappingProxyType

# Trams, Misc and DontCare have no class here.
KITTI_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "Car": "car",
        "Van": "car",
        "Truck": "truck",
        "Cyclist": "bicycle",
        "Pedestrian": "pedestrian",
        "Person_sitting": "pedestrian",
    }
)
KITTI_TYPES = (*KITTI_CLASSES, "Tram", "Misc", "DontCare")
