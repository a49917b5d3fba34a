"""Strict JSON: numbers that are not finite become null."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .atomic_files import replacing
from .output_files import write_text, writing


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Writes nested dicts, lists and numbers, and the folders above the file; `indent` is json's.

    Raises:
        UserError: the file cannot be written.
    """
    write_text(path, _text(value, indent) + "\n")


@contextmanager
def json_rows(path: Path, head: dict[str, Any], name: str) -> Iterator[Callable[[Any], None]]:
    """A function that writes a row of a long list, which is never whole in memory.

    Args:
        path: the JSON file: the dict `head`, and in it the list `name` last, one row a line. It is
            there at the end of the context, unless there was an error.
        head: at least one key.
        name: key of the list.

    Raises:
        UserError: the file cannot be written.
    """
    separator = "\n"
    with ExitStack() as stack:
        with writing(path):
            file = stack.enter_context(replacing(path))
            file.write(f"{_text(head)[:-1]}, {json.dumps(name)}: [")

        def add(row: Any) -> None:
            nonlocal separator
            with writing(path):
                file.write(separator + _text(row))
            separator = ",\n"

        yield add
        with writing(path):
            file.write("\n]}\n")
            stack.close()


def differing_keys(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Sorted keys that only one of two objects of JSON has, or whose values differ."""
    shared = first.keys() & second.keys()
    alone = first.keys() ^ second.keys()
    return sorted(alone | {key for key in shared if first[key] != second[key]})


def _text(value: Any, indent: int | None = None) -> str:
    return json.dumps(finite_or_none(value), indent=indent, allow_nan=False)


def finite_or_none(value: Any) -> Any:
    """The nested value with None for every NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite_or_none(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_or_none(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
