"""Strict JSON: numbers that are not finite become null."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from .output_files import write_text


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Writes nested dicts, lists and numbers, and the folders above the file; `indent` is json's.

    Raises:
        UserError: the file cannot be written.
    """
    write_text(path, json.dumps(finite_or_none(value), indent=indent, allow_nan=False) + "\n")


def finite_or_none(value: Any) -> Any:
    """The nested value with None for every NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite_or_none(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_or_none(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
