"""The comparison of solvers on problems with several minima."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_layer_reaches_the_lowest_cost_and_opencv_is_beside_it(call, tmp_path: Path) -> None:
    kinds = ("planar-4", "spatial-4", "square")
    options = ("--problems", 60, "--starts", 64, "--repeats", 1)
    code, out, _ = call("benchmark_solver", tmp_path, "--kinds", *kinds, *options)
    assert code == 0 and out.count("| layer |") == 3
    assert (tmp_path / "solver.md").read_text() in out
    rows = json.loads((tmp_path / "solver.json").read_text())["rows"]
    named = {(row["kind"], row["solver"]): row for row in rows}
    assert len(named) == 6 + 4 + 6
    for kind in kinds:
        assert named[kind, "layer"]["lowest"] >= 0.99
        assert named[kind, "layer"]["lowest"] >= named[kind, "layer, 1 candidate"]["lowest"]
    # IPPE minimises another cost; its two solutions begin near both minima.
    for kind in ("planar-4", "square"):
        assert named[kind, "IPPE, both refined"]["lowest"] > 0.9
        assert named[kind, "IPPE, best of its two"]["degrees"] < 60


@pytest.mark.parametrize("option", [("--problems", 0), ("--noise", 0, 1), ("--distance", 5, 2)])
def test_numbers_out_of_range_are_refused(call, tmp_path: Path, option: tuple) -> None:
    code, _, error = call("benchmark_solver", tmp_path, *option)
    assert code != 0 and " ".join(map(str, option)) in error and error.count("\n") == 1
