"""Text, JSON and YAML of small files that others wrote, or one clear line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from epropnp_det.errors import UserError

MAX_CALIBRATION_BYTES = 2**20


def read_text(path: str | Path) -> str:
    """The text of a regular file.

    Raises:
        UserError: no regular file, no text, or not readable.
    """
    try:
        if not Path(path).is_file():
            raise UserError(f"intrinsics file {path} is no regular file")
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"intrinsics file {path} cannot be read as text: {error}") from error


def read_json(path: str | Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> Any:
    """Raises UserError where the text is not JSON, or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply for a file of intrinsics") from error
    except ValueError as error:  # also whole numbers of thousands of digits
        raise UserError(f"{where} is no JSON: {error}") from error


def parse_yaml(text: str, where: str) -> Any:
    """The content of YAML as ROS and OpenCV write it: plain values alone, no aliases.

    Raises:
        UserError: other YAML, or too much of it.
    """
    if len(text) > MAX_CALIBRATION_BYTES:
        raise UserError(f"{where} is too large for a file of intrinsics ({len(text)} characters)")
    # OpenCV's first line has a colon where YAML has a blank.
    text = re.sub(r"\A%YAML:1\.0", "%YAML 1.0", text)
    text = re.sub(r"\A(%YAML [^\n]*\n)(?!---)", r"\1---\n", text)
    try:
        return yaml.load(text, _CalibrationLoader)
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply for a file of intrinsics") from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{where} is no calibration in YAML: {error}") from error


class _CalibrationLoader(yaml.SafeLoader):
    """Safe YAML with OpenCV's matrices, and with numbers such as 1e-3."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses aliases: a few lines of them become gigabytes."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases")
        return super().compose_node(parent, index)


_CalibrationLoader.add_constructor(
    "tag:yaml.org,2002:opencv-matrix",
    lambda loader, node: loader.construct_mapping(node, deep=True),
)
_CalibrationLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+\Z"), list("-+0123456789")
)
