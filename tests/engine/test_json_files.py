"""JSON that any reader takes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from epropnp_det.engine.json_files import differing_keys, json_rows, write_json
from epropnp_det.errors import UserError


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    write_json(
        tmp_path / "a.json",
        dict(a=[1.5, math.nan, (math.inf, -math.inf)], b=dict(c=math.nan, d="nan", e=None, f=True)),
    )
    assert json.loads((tmp_path / "a.json").read_text()) == dict(
        a=[1.5, None, [None, None]], b=dict(c=None, d="nan", e=None, f=True)
    )


@pytest.mark.parametrize("rows", [[], [1], [dict(a=math.nan), [2], "é"]])
def test_rows_that_are_written_one_by_one_are_a_list(tmp_path: Path, rows: list) -> None:
    with json_rows(tmp_path / "new" / "a.json", dict(name="x"), "rows") as add:
        for row in rows:
            add(row)
    write_json(tmp_path / "b.json", dict(name="x", rows=rows))
    one, other = (json.loads((tmp_path / name).read_text()) for name in ("new/a.json", "b.json"))
    assert one == other


def test_an_error_between_two_rows_leaves_the_file_before(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("before")
    with pytest.raises(OSError, match="elsewhere"):
        with json_rows(tmp_path / "a.json", dict(name="x"), "rows") as add:
            add(1)
            raise OSError("elsewhere")
    assert (tmp_path / "a.json").read_text() == "before" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UserError, match=r"a\.json cannot be a folder"):
        with json_rows(tmp_path / "a.json" / "b.json", dict(name="x"), "rows"):
            pass


def test_an_absent_key_differs_from_one_that_is_null() -> None:
    stored = dict(same=[1, dict(a=2)], null=None, value=1, here=0)
    given = dict(same=[1, dict(a=2)], value=2, there=0)
    assert differing_keys(stored, given) == ["here", "null", "there", "value"]
    assert differing_keys(stored, dict(stored)) == []
