"""Whatever an annotation file has, reading and checking it ends in faults or in one line."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epropnp_det.detection.data import annotation_file
from epropnp_det.detection.data.annotation_check import find_faults
from epropnp_det.detection.data.class_set import NUSCENES
from epropnp_det.detection.data.nuscenes_dataset import NuScenesCameraDataset
from epropnp_det.engine.file_checks import summarize
from epropnp_det.errors import UserError
from tests.nuscenes_factory import VERSION

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2.5,
    10**400,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "é\n\u2028",
    "\ud800",
    "\0",
    [],
    {},
    [[]],
    [1, 2, 3],
    {"a": 1},
)
REMOVED = object()


@pytest.fixture(scope="module")
def small(database: Path) -> dict:
    """One image and its first two boxes."""
    data = json.loads((database / annotation_file.file_name("val", VERSION)).read_text())
    ids = [annotation["image_id"] for annotation in data["annotations"]]
    first = next(image for image in data["images"] if ids.count(image["id"]) > 1)
    boxes = [each for each in data["annotations"] if each["image_id"] == first["id"]][:2]
    return dict(data, images=[first], annotations=boxes)


def leaves(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths of a nested value and of everything in it."""
    yield path
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from leaves(item, (*path, key))


def replaced(data: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(data)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    if value is REMOVED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return changed


def check(data: Any, root: Path, path: Path) -> None:
    """Either there are faults or the file can be trained on."""
    path.write_text(json.dumps(data))
    try:
        parsed = annotation_file.parse_annotations(path)
    except UserError as error:
        assert "\n" not in str(error)
        return
    lines = summarize(find_faults(parsed, root, NUSCENES))
    assert all(line.isprintable() for line in lines)
    if any(annotation_file.find_record_faults(parsed)):
        assert lines
        with pytest.raises(UserError) as error:
            annotation_file.read_annotations(path)
        assert str(error.value).isprintable()
    elif not lines:
        dataset = NuScenesCameraDataset(str(root), str(path), pipeline=[], test_mode=True)
        for index in range(len(dataset)):
            info = dataset.get_ann_info(index)
            assert np.isfinite(info["bboxes"]).all() and np.isfinite(info["centers2d"]).all()
            assert info["attr_labels"].max(initial=0) < len(NUSCENES.attributes)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_entry_may_be_anything(small: dict, database: Path, tmp_path: Path):
    paths = list(leaves(small))
    rng = np.random.default_rng(0)
    for path in paths:
        # Each place gets some of the values, each value many places.
        chosen = rng.choice(len(VALUES), size=3, replace=False)
        for value in [VALUES[index] for index in chosen] + ([REMOVED] if path else []):
            check(replaced(small, path, value), database, tmp_path / "fuzz.json")


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_several_entries_may_be_anything(
    small: dict, database: Path, tmp_path: Path, data: st.DataObject
):
    changed = small
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(list(leaves(changed))))
        changed = replaced(changed, path, data.draw(anything))
    check(changed, database, tmp_path / "fuzz.json")
