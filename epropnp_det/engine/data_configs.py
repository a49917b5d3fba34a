"""Configs in YAML and JSON: data, from which nothing runs.

A config in Python is a program. One in YAML or JSON has values alone: no tags of Python objects, no
aliases, no base that is a program of others, and no import but that of installed packages of this
stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from epropnp_det.errors import UserError

from .outside_files import check_depth, parse_json, read_text
from .plain_yaml import parse_yaml

SUFFIXES = (".yaml", ".yml", ".json")
IMPORTED_PACKAGES = ("epropnp_det", "mmcv", "mmdet", "mmdet3d", "mmseg")
OWN_CONFIGS = Path(__file__).resolve().parents[2] / "configs"
MAX_CONFIG_BYTES = 2**24
_MAX_BASES = 16  # one above the other
_REMEDY = "give a config in Python, YAML or JSON"


def check_data_config(path: Path, above: int = 0) -> None:
    """Checks a config in YAML or JSON and its bases.

    Args:
        path: the file.
        above: how many configs have it as their base.

    Raises:
        UserError: not YAML or JSON, tags, aliases, values that are nested deeply, a base that is a
            Python file outside this project's configs, or an import of another package.
    """
    if above > _MAX_BASES:
        raise UserError(f"config {path} is its own base, or has more than {_MAX_BASES} bases")
    settings = _read(path)
    if not isinstance(settings, Mapping) or not all(isinstance(key, str) for key in settings):
        raise UserError(f"config {path} holds no settings by name; {_REMEDY}")
    _check_imports(settings.get("custom_imports"), path)
    bases = settings.get("_base_", [])
    for base in bases if isinstance(bases, list) else [bases]:
        if not isinstance(base, str):
            raise UserError(f"config {path}: _base_ is {base!r:.80}; it must be a file or a list")
        file = (path.parent / base).resolve()
        if file.suffix in SUFFIXES:
            check_data_config(file, above + 1)
        elif not file.is_relative_to(OWN_CONFIGS):
            raise UserError(
                f"config {path}: _base_ {base} is a program, which a config in {path.suffix[1:]} "
                f"may not run; name a file of {OWN_CONFIGS}, or write the config in Python"
            )


def _read(path: Path) -> Any:
    text = read_text(path, "config", _REMEDY, MAX_CONFIG_BYTES)
    if path.suffix == ".json":
        settings = parse_json(text, f"config {path}", _REMEDY)
    else:
        settings = parse_yaml(text, f"config {path}", _REMEDY)
    check_depth(settings, f"config {path}", _REMEDY)
    return settings


def _check_imports(imports: Any, path: Path) -> None:
    names = imports.get("imports", []) if isinstance(imports, Mapping) else imports or []
    for name in names if isinstance(names, list) else [names]:
        if not isinstance(name, str) or name.partition(".")[0] not in IMPORTED_PACKAGES:
            raise UserError(
                f"config {path}: custom_imports has {name!r:.80}; a config in {path.suffix[1:]} "
                f"may import modules of {', '.join(IMPORTED_PACKAGES)} alone"
            )
