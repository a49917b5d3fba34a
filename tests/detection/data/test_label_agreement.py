"""The order of sizes is recognised by the 2D boxes."""

from __future__ import annotations

import copy
import json
from itertools import permutations
from pathlib import Path

import pytest

from epropnp_det.detection.data import annotation_file
from epropnp_det.errors import UserError


@pytest.fixture(scope="module")
def good(database: Path) -> dict:
    return json.loads((database / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())


@pytest.mark.parametrize("order", list(permutations("lhw"))[1:], ids="".join)
@pytest.mark.parametrize("sign", [1, -1])
def test_another_order_of_sizes_is_refused_by_its_name(
    good: dict, tmp_path: Path, order: tuple[str, ...], sign: int
):
    data = copy.deepcopy(good)
    for annotation in data["annotations"]:
        x, y, z, length, height, width, yaw = annotation["bbox_cam3d"]
        sizes = dict(l=length, h=height, w=width)
        annotation["bbox_cam3d"] = [x, y, z, *(sizes[side] for side in order), sign * yaw]
    path = tmp_path / "other.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=f"sizes have the order {', '.join(order)}"):
        annotation_file.read_annotations(path)


def test_labels_drawn_by_hand_do_not_matter(good: dict, tmp_path: Path):
    """2D boxes that agree with no order say nothing about it."""
    data = copy.deepcopy(good)
    for annotation in data["annotations"]:
        annotation["bbox"] = [5.0, 5.0, 40.0, 40.0]
    path = tmp_path / "other.json"
    path.write_text(json.dumps(data))
    assert annotation_file.read_annotations(path) == data
