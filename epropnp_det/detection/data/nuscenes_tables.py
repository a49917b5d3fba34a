"""The tables of a nuScenes database: opened by the devkit, and checked before anything is
converted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from nuscenes import NuScenes
from pydantic import AfterValidator, Field, Strict, TypeAdapter
from typing_extensions import TypedDict

from epropnp_det.engine.confined_names import check_one_name
from epropnp_det.engine.file_checks import Fault, summarize
from epropnp_det.engine.record_checks import (
    Count,
    Flag,
    Number,
    Quaternion,
    RecordForm,
    Text,
    Triple,
    described,
    is_shown_whole,
    shown,
    shown_name,
)
from epropnp_det.errors import UserError

from .annotation_schema import CameraMatrix, FileName, Length
from .keyframe_database import KeyframeDatabase, read_table

CAMERA_MODALITY = "camera"
_KINDS_SHOWN = 5
_Token = Annotated[Text, Field(min_length=1), described("token is a text")]
_FileToken = Annotated[
    Text,
    AfterValidator(check_one_name),
    described("token is a text that can be the name of a file: printable, and without slashes"),
]
_Name = Annotated[Text, described("name is a text")]
_Rotation = Annotated[Quaternion, described("rotation is a unit quaternion w, x, y, z")]
_Translation = Annotated[Triple, described("translation is 3 finite numbers, m")]


def _reference(key: str) -> Any:
    return described(f"{key} is a text")


class _Named(TypedDict):
    token: _Token
    name: _Name


class _Any(TypedDict):
    token: _Token


class _Instance(TypedDict):
    token: _Token
    category_token: Annotated[Text, _reference("category_token")]


class _Sensor(TypedDict):
    token: _Token
    channel: Annotated[Text, described("channel is a text")]
    modality: Annotated[Text, described("modality is a text")]


class _CalibratedSensor(TypedDict):
    token: _Token
    sensor_token: Annotated[Text, _reference("sensor_token")]
    rotation: _Rotation
    translation: _Translation


class _EgoPose(TypedDict):
    token: _Token
    rotation: _Rotation
    translation: _Translation


class _Sample(TypedDict):
    token: _Token
    scene_token: Annotated[Text, _reference("scene_token")]
    timestamp: Annotated[Number, described("timestamp is a number of microseconds")]


class _SampleData(TypedDict):
    token: _FileToken
    sample_token: Annotated[Text, _reference("sample_token")]
    ego_pose_token: Annotated[Text, _reference("ego_pose_token")]
    calibrated_sensor_token: Annotated[Text, _reference("calibrated_sensor_token")]
    filename: Annotated[
        FileName, described("filename stays in the data root: relative, and without '..'")
    ]
    is_key_frame: Annotated[Flag, described("is_key_frame is true or false")]
    width: NotRequired[Annotated[Count | None, described("width is a whole number of pixels")]]
    height: NotRequired[Annotated[Count | None, described("height is a whole number of pixels")]]


class _SampleAnnotation(TypedDict):
    token: _Token
    sample_token: Annotated[Text, _reference("sample_token")]
    instance_token: Annotated[Text, _reference("instance_token")]
    translation: _Translation
    size: Annotated[
        tuple[Length, Length, Length],
        described("size is 3 finite numbers from 0.01 to 100 m: width, length, height"),
    ]
    rotation: _Rotation
    prev: Annotated[Text, described("prev is a text, empty for the first one")]
    next: Annotated[Text, described("next is a text, empty for the last one")]
    attribute_tokens: NotRequired[
        Annotated[list[Text], described("attribute_tokens is a list of texts")]
    ]
    num_lidar_pts: NotRequired[
        Annotated[
            Annotated[int, Strict(), Field(ge=-1)] | None,
            described("num_lidar_pts is a whole number, -1 or null where it is unknown"),
        ]
    ]


class _Map(TypedDict):
    token: _Token
    log_tokens: Annotated[list[Text], described("log_tokens is a list of texts")]
    filename: Annotated[
        FileName | Literal[""],
        described("filename of a map is empty or stays in the data root, without '..'"),
    ]


_FORMS = {
    name: RecordForm(f"table {name}", form)
    for name, form in dict(
        category=_Named,
        attribute=_Named,
        visibility=_Any,
        instance=_Instance,
        sensor=_Sensor,
        calibrated_sensor=_CalibratedSensor,
        ego_pose=_EgoPose,
        log=_Any,
        scene=_Named,
        sample=_Sample,
        sample_data=_SampleData,
        sample_annotation=_SampleAnnotation,
        map=_Map,
    ).items()
}
TABLES = tuple(_FORMS)
# Key of a table -> the table that has its token.
_REFERENCES = {
    "instance": dict(category_token="category"),
    "calibrated_sensor": dict(sensor_token="sensor"),
    "sample": dict(scene_token="scene"),
    "sample_data": dict(
        sample_token="sample",
        ego_pose_token="ego_pose",
        calibrated_sensor_token="calibrated_sensor",
    ),
    "sample_annotation": dict(
        sample_token="sample",
        instance_token="instance",
        prev="sample_annotation",
        next="sample_annotation",
    ),
}
_camera_matrix = TypeAdapter(CameraMatrix).validator


def check_database(root: Path, version: str) -> None:
    """Checks that the tables of a database are there.

    Raises:
        UserError: the folder, the version or a table is missing.
    """
    if not root.is_dir():
        raise UserError(
            f"data root {root} is not a folder; give the folder that holds samples/, maps/ and "
            f"{version}/"
        )
    if not (root / version).is_dir():
        found = sorted(path.parent.name for path in root.glob("*/scene.json"))
        raise UserError(
            f"{root} has no folder {version} (found: {', '.join(found) or 'no version at all'}); "
            "check data root and --version"
        )
    for table in TABLES:
        if not (root / version / f"{table}.json").is_file():
            raise UserError(
                f"table {root / version / table}.json is missing; unpack the metadata archive of "
                f"{version} again"
            )


def open_database(data_root: str | Path, version: str) -> NuScenes:
    """The devkit's database, after checking what its own assertions would report without naming the
    remedy.

    Raises:
        UserError: the folder, the version, a table or a map image is missing, a table is not JSON,
            or a record breaks a rule that the devkit relies on.
    """
    root = Path(data_root)
    check_database(root, version)
    try:
        return KeyframeDatabase(version=version, dataroot=str(root), verbose=False)
    except UserError:
        raise
    except Exception as error:  # the devkit relies on sound tables, and has no errors of its own
        _refuse(root / version, find_table_faults(_read_tables(root / version)))
        if isinstance(error, AssertionError):  # its check of the map images
            raise UserError(
                f"nuScenes database {root}: {error}; unpack the maps of {version} into {root}/maps"
            ) from error
        raise UserError(f"nuScenes database {root / version}: {error!r}") from error


def check_tables(nusc: NuScenes) -> None:
    """Raises `UserError` with all kinds of mistakes in the tables, each with its first place."""
    tables = {name: getattr(nusc, name) for name in TABLES}
    _refuse(Path(nusc.dataroot, nusc.version), find_table_faults(tables))


def find_table_faults(tables: Mapping[str, Any]) -> Iterator[Fault]:
    """All mistakes in the tables: keys, types, ranges, tokens that are not unique, and references
    to records that are not there.

    Args:
        tables: records by table name; every name of `TABLES`.
    """
    sound = True
    for name, form in _FORMS.items():
        if not isinstance(tables[name], list) or (name == "map" and not tables[name]):
            sound = False
            yield Fault(f"table {name} is a list of records", f"{name}.json", shown(tables[name]))
            continue
        for index, record in enumerate(tables[name]):
            if not form.is_sound(record):
                sound = False
                yield from form.faults(record, _place(name, index, record))
    if sound:
        yield from _repeated_tokens(tables)
        yield from _dead_references(tables)
        yield from _wrong_matrices(tables)


def _place(table: str, index: int, record: Any) -> str:
    token = record.get("token") if isinstance(record, dict) else None
    if is_shown_whole(token):
        return f"{table} {token}"
    return f"{table}[{index}]"


def _repeated_tokens(tables: Mapping[str, list[dict]]) -> Iterator[Fault]:
    for name, records in tables.items():
        seen = set()
        for record in records:
            if record["token"] in seen:
                yield Fault(f"tokens of table {name} are unique", name, shown(record["token"]))
            seen.add(record["token"])


def _dead_references(tables: Mapping[str, list[dict]]) -> Iterator[Fault]:
    tokens = {name: {record["token"] for record in records} for name, records in tables.items()}
    for name, keys in _REFERENCES.items():
        for key, target in keys.items():
            rule = f"{key} of table {name} is the token of a record in table {target}"
            ends = ("",) if key in ("prev", "next") else ()
            for record in tables[name]:
                if record[key] not in tokens[target] and record[key] not in ends:
                    yield Fault(rule, f"{name} {shown_name(record['token'])}", shown(record[key]))
    for record in tables["sample_annotation"]:
        for token in record.get("attribute_tokens", ()):
            if token not in tokens["attribute"]:
                rule = "attribute_tokens are tokens of records in table attribute"
                yield Fault(rule, f"sample_annotation {shown_name(record['token'])}", shown(token))
    mapped = {token for record in tables["map"] for token in record["log_tokens"]}
    for log in tokens["log"] - mapped:
        yield Fault("each log is in log_tokens of a map", f"log {shown_name(log)}", "missing")


def _wrong_matrices(tables: Mapping[str, list[dict]]) -> Iterator[Fault]:
    cameras = {
        sensor["token"] for sensor in tables["sensor"] if sensor["modality"] == CAMERA_MODALITY
    }
    for record in tables["calibrated_sensor"]:
        matrix = record.get("camera_intrinsic")
        if record["sensor_token"] in cameras and not _camera_matrix.isinstance_python(matrix):
            rule = (
                "camera_intrinsic of a camera is a 3x3 matrix, finite, with positive focal lengths "
                "and a last row 0 0 1"
            )
            yield Fault(rule, f"calibrated_sensor {shown_name(record['token'])}", shown(matrix))


def _read_tables(folder: Path) -> dict[str, Any]:
    return {name: read_table(folder / f"{name}.json") for name in TABLES}


def _refuse(folder: Path, faults: Iterator[Fault]) -> None:
    lines = summarize(faults)
    if lines:
        more = len(lines) - _KINDS_SHOWN
        rest = f"; and {more} kinds of mistakes more" if more > 0 else ""
        raise UserError(f"tables in {folder}: {'; '.join(lines[:_KINDS_SHOWN])}{rest}")
