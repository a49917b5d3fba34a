"""Text, JSON and YAML of files of intrinsics, or one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import outside_files, plain_yaml
from .value import EXPECTED


def read_text(path: str | Path) -> str:
    """The text of a file of intrinsics.

    Raises:
        UserError: no regular file, no text, or not readable.
    """
    return outside_files.read_text(path, "intrinsics file", EXPECTED)


def read_json(path: str | Path) -> Any:
    """The content of a JSON file with intrinsics.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    return parse(read_text(path), str(path), is_json=True)


def parse(text: str, where: str, is_json: bool) -> Any:
    """The content of JSON or YAML.

    Raises:
        UserError: the text is neither, or nested too deeply.
    """
    read = outside_files.parse_json if is_json else plain_yaml.parse_yaml
    content = read(text, where, EXPECTED)
    # An annotation file is large and has a check of its own.
    is_annotation_file = isinstance(content, dict) and "images" in content
    if not is_annotation_file:
        outside_files.check_depth(content, where, EXPECTED)
    return content
