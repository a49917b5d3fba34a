"""The page of promises names tests that exist, and all tests of the layer's properties are on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "layer_checks.md"


def named() -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text())


def functions(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))


@pytest.mark.parametrize("file, test", named())
def test_every_test_exists(file: str, test: str) -> None:
    assert test in functions(ROOT / file)


@pytest.mark.parametrize("file", ["tests/pnp/test_properties.py", "tests/pnp/test_degenerate.py"])
def test_no_law_is_missing(file: str) -> None:
    assert functions(ROOT / file) <= {test for where, test in named() if where == file}
