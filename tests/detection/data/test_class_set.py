"""Class sets: nuScenes by default, and any names from a config."""

from __future__ import annotations

import math

import numpy as np
import pytest

from epropnp_det.detection.data.class_set import NUSCENES, ClassSet, class_set
from epropnp_det.detection.data.nuscenes_classes import ATTRIBUTES, CLASSES, DETECTION_RANGE

OWN = dict(
    class_names=["sedan", "walker", "rider"],
    attributes=("moving", "standing", "none"),
    admitted_attributes=dict(walker=("moving", "standing"), rider=("moving",)),
    detection_range=dict(walker=30.0),
)


def test_configs_without_classes_mean_nuscenes():
    assert class_set() is NUSCENES and NUSCENES.class_names == CLASSES
    assert class_set(CLASSES).admitted == NUSCENES.admitted
    np.testing.assert_array_equal(class_set(CLASSES).ranges(), list(DETECTION_RANGE.values()))


def test_own_classes_have_their_own_attributes_and_ranges():
    classes = class_set(OWN)
    assert classes.class_names == ("sedan", "walker", "rider")
    np.testing.assert_array_equal(classes.ranges(), [np.inf, 30.0, np.inf])
    assert classes.admitted == ((False, False, True), (True, True, False), (True, False, False))
    assert [classes.attribute_name(index) for index in range(3)] == ["moving", "standing", ""]
    assert classes.attributes_of_class("sedan") == ()
    assert classes.attributes_of_class("walker") == ("moving", "standing")


def test_names_alone_keep_what_nuscenes_has_for_them():
    classes = class_set(["sedan", "pedestrian"])
    assert classes.attributes == ATTRIBUTES
    np.testing.assert_array_equal(classes.ranges(), [np.inf, DETECTION_RANGE["pedestrian"]])
    assert classes.attributes_of_class("sedan") == ()
    assert classes.attributes_of_class("pedestrian") == ATTRIBUTES[2:5]


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(size_mean=((4.0, 1.5, 2.0),)), "size_mean has 1 rows for 3 class_names"),
        (dict(size_mean=((4.0, 1.5, 0.0),) * 3), "three positive numbers"),
        (dict(admitted_attributes=dict(tram=("moving",))), "unknown class 'tram'"),
        (dict(admitted_attributes=dict(rider=("flying",))), r"unknown \['flying'\]"),
        (dict(detection_range=dict(tram=30.0)), "unknown class 'tram'"),
    ],
)
def test_what_disagrees_is_named(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        ClassSet(**{**OWN, "class_names": tuple(OWN["class_names"]), **change})


@pytest.mark.parametrize("reach", [0, -1.0, math.nan, "far", True, None])
def test_a_range_that_is_no_distance_is_refused(reach: object):
    with pytest.raises(ValueError, match=r"detection_range of 'car' is .*; it must be above 0 m"):
        ClassSet(class_names=("car",), detection_range=dict(car=reach))
