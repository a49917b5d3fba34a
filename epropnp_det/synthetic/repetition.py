"""A long database from a short one: its scenes again and again, for measurements at scale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nuscenes.utils.splits import create_splits_scenes

from epropnp_det.engine.output_files import write_text

from .tables import VERSION as SHORT_VERSION
from .tables import Row, Tables

VERSION = "v1.0-trainval"
_REPEATED = ("scene", "sample", "sample_data", "ego_pose", "instance", "sample_annotation")


def repeat_database(source: Path, out: Path, copies: int) -> Path:
    """Writes a database of version v1.0-trainval and returns its folder.

    Every copy of a scene has tokens of its own and the name of a scene of the split `train`. Files
    of sensors and maps are links to those of the source.

    Args:
        source: a database of version v1.0-mini.
        out: folder to make.
        copies: how often each scene appears.
    """
    tables = {
        path.stem: json.loads(path.read_text()) for path in (source / SHORT_VERSION).glob("*.json")
    }
    for name, rows in repeated_tables(tables, copies).items():
        write_text(out / VERSION / f"{name}.json", json.dumps(rows))
    for folder in ("samples", "maps"):
        (out / folder).symlink_to((source / folder).resolve(), target_is_directory=True)
    return out


def repeated_tables(tables: Tables, copies: int) -> Tables:
    """The tables with `copies` copies of all scenes."""
    tokens = {row["token"] for name in _REPEATED for row in tables[name]}
    repeated = {
        name: [
            _renamed(row, {token: f"{token[:24]}{copy:08x}" for token in _mentioned(row, tokens)})
            for copy in range(copies)
            for row in rows
        ]
        if name in _REPEATED
        else rows
        for name, rows in tables.items()
    }
    names = sorted(create_splits_scenes()["train"])
    repeated["scene"] = [
        dict(row, name=names[index % len(names)]) for index, row in enumerate(repeated["scene"])
    ]
    return repeated


def _mentioned(row: Row, tokens: set[str]) -> set[str]:
    return {value for value in row.values() if isinstance(value, str)} & tokens


def _renamed(row: Row, names: Mapping[Any, str]) -> Row:
    return {
        key: names.get(value, value) if isinstance(value, str) else value
        for key, value in row.items()
    }
