"""Size priors of an annotation file with the mandatory keys alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from epropnp_det.detection.data.class_set import class_set
from epropnp_det.detection.data.measured_classes import MIN_RELATIVE_STD, measured_classes
from epropnp_det.errors import UserError

MEAN = dict(sedan=(4.5, 1.5, 1.8), walker=(0.7, 1.75, 0.7), rider=(1.9, 1.7, 0.8))


@pytest.fixture
def ann_file(tmp_path: Path) -> Path:
    """200 boxes of two classes with a spread of 10 %, and one of the third."""
    rng = np.random.default_rng(0)
    names = [*("sedan", "walker") * 100, "rider"]
    rows = [np.array(MEAN[name]) * rng.normal(1, 0.1, 3) for name in names]
    rows[-1] = np.array(MEAN["rider"])
    boxes = [
        dict(file_name="a.png", category_name=name, bbox_cam3d=[0, 0, 20, *row, 0.0])
        for name, row in zip(names, rows, strict=True)
    ]
    image = dict(file_name="a.png", cam_intrinsic=[[500, 0, 320], [0, 500, 190], [0, 0, 1]])
    path = tmp_path / "train.json"
    path.write_text(json.dumps(dict(images=[image], annotations=boxes)))
    return path


def test_sizes_are_mean_and_deviation_of_the_boxes(ann_file: Path):
    measured = measured_classes(ann_file)
    assert measured["class_names"] == ("sedan", "walker", "rider")
    for name, mean, std in zip(*measured.values(), strict=True):
        expected = np.array(MEAN[name])
        spread = MIN_RELATIVE_STD if name == "rider" else 0.1
        assert mean == pytest.approx(expected, rel=0.03)
        assert std == pytest.approx(spread * expected, rel=0.2)


def test_a_subset_has_its_own_order_and_further_fields(ann_file: Path):
    settings = measured_classes(ann_file, ("rider", "sedan"), symmetry=dict(rider="round"))
    classes = class_set(settings)
    assert classes.class_names == ("rider", "sedan")
    assert classes.size_mean[0] == pytest.approx(MEAN["rider"])
    assert classes.symmetry == dict(rider="round")


def test_a_class_without_a_box_is_named(ann_file: Path):
    with pytest.raises(UserError, match="no box of the class tram; its classes are sedan, walker"):
        measured_classes(ann_file, ("sedan", "tram"))
    with pytest.raises(UserError, match="cannot be read: No such file"):
        measured_classes(ann_file.parent / "other.json")
