"""The page that maps the paper to the code names things that exist."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path

import pytest

import epropnp_det.pnp.reference_normalizers  # noqa: F401  for measuring: the layer itself does not import it
from epropnp_det import pnp

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "equations.md"
# Names in backticks that are not of the package: arguments, settings, files and calls written out.
NAME = re.compile(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`")
OTHERS = {"epropnp_det.pnp", "tests", "torch.Generator", "camera.rotate"}


def names() -> list[str]:
    found = NAME.findall(PAGE.read_text())
    return sorted({name for name in found if name not in OTHERS and not name.startswith("tests/")})


@pytest.mark.parametrize("name", names())
def test_every_name_exists(name: str) -> None:
    first, *rest = name.split(".")
    # Fields of frozen records without a default are annotations alone.
    owner = reduce(lambda thing, part: getattr(thing, part), rest[:-1], getattr(pnp, first))
    assert not rest or hasattr(owner, rest[-1]) or rest[-1] in owner.__annotations__


def test_every_equation_is_on_the_page() -> None:
    table = PAGE.read_text().split("\n\n")[2]
    assert all(f"({number})" in table for number in range(1, 13))
    assert len(names()) > 30
