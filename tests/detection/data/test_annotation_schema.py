"""The JSON schema in the package is that of the checks, and accepts what the reader accepts."""

from __future__ import annotations

import copy
import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from epropnp_det.detection.data import annotation_file
from epropnp_det.detection.data.annotation_schema import SCHEMA_FILE, json_schema
from tests.nuscenes_factory import VERSION

ROOT = Path(__file__).parents[3]
WRITE = (
    "import json; from epropnp_det.detection.data import annotation_schema as s; "
    "print(json.dumps(s.json_schema(), indent=2))"
)


@pytest.fixture(scope="module")
def good(database: Path) -> dict:
    return json.loads((database / annotation_file.file_name("val", VERSION)).read_text())


@pytest.fixture(scope="module")
def schema() -> dict:
    folder = resources.files("epropnp_det.detection.data")
    return json.loads((folder / SCHEMA_FILE).read_text())


def test_the_file_is_that_of_the_checks(schema: dict):
    assert schema == json_schema(), f"write {SCHEMA_FILE} again: python -c '{WRITE}'"


def test_the_schema_accepts_the_files_of_the_converter(schema: dict, good: dict):
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(good, schema)


@pytest.mark.parametrize("page", ["reference/data.md", "how-to/own-data.md"])
def test_the_smallest_file_of_the_pages_is_valid(schema: dict, page: str, tmp_path: Path):
    """It stops being valid without any of its keys."""
    (block,) = re.findall(r"^```json\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.M | re.S)
    data = json.loads(block)
    jsonschema.validate(data, schema)
    (tmp_path / "labels.json").write_text(block)
    assert annotation_file.read_annotations(tmp_path / "labels.json") == data
    for name in ("images", "annotations"):
        for key in data[name][0]:
            changed = copy.deepcopy(data)
            del changed[name][0][key]
            assert any(annotation_file.find_record_faults(changed)), key


@pytest.mark.parametrize(
    "name, key, value",
    [
        ("images", "cam_intrinsic", [500, 500, 320, 192]),
        ("images", "width", "1600"),
        ("images", "distortion", [0.1, 0.2]),
        ("images", "level_rotation", [0, 0, 0]),
        ("annotations", "bbox_cam3d", [0, 0, -1, 1, 1, 1, 0]),
        ("annotations", "bbox", None),
        ("annotations", "visibility", "v80-100"),
        ("annotations", "velo_cam3d", [0, 0, 0]),
        ("categories", "name", ""),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(
    schema: dict, good: dict, name: str, key: str, value: object
):
    data = copy.deepcopy(good)
    data[name][0][key] = value
    assert any(annotation_file.find_record_faults(data))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


def test_the_page_has_every_key_of_the_schema(schema: dict):
    page = (ROOT / "docs" / "reference" / "data.md").read_text()
    section = page[page.index("## Annotation file") : page.index("## LiDAR points")]
    records = schema["$defs"]
    for name in ("ImageRecord", "AnnotationRecord"):
        for key in records[name]["properties"]:
            row = re.search(rf"^\|[^|]*`{key}`[^|]*\|", section, re.MULTILINE)
            assert row, f"{key} has no row"
            if key in records[name]["required"]:
                assert f"**`{key}`**" in row[0], f"{key} is mandatory"
