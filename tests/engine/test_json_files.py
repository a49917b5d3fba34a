"""JSON that any reader takes."""

from __future__ import annotations

import json
import math
from pathlib import Path

from epropnp_det.engine.json_files import write_json


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    write_json(
        tmp_path / "a.json",
        dict(a=[1.5, math.nan, (math.inf, -math.inf)], b=dict(c=math.nan, d="nan", e=None, f=True)),
    )
    assert json.loads((tmp_path / "a.json").read_text()) == dict(
        a=[1.5, None, [None, None]], b=dict(c=None, d="nan", e=None, f=True)
    )
