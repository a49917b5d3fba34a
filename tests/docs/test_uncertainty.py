"""The code for 6DoF poses on the page about uncertainty runs, with the results named there."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from epropnp_det.pnp import SE3Pose
from tests.pnp import scenes
from tests.pnp.scenes import seeded

PAGE = Path(__file__).parents[2] / "docs/explanation/uncertainty.md"


def test_blocks_for_six_degrees_of_freedom() -> None:
    text = PAGE.read_text().split("## Poses in six degrees of freedom")[1]
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    problem, _ = scenes.problem((3,), space=SE3Pose)
    names = dict(problem=problem, generator=seeded(0))
    for block in blocks:
        exec(block, names)
    assert names["sigma"].shape == names["low"].shape == (3, 6)
    assert (names["low"] < 0).all() and (names["high"] > 0).all()
    assert names["within"].shape == (1, 3, 1) and (names["within"] > 0).all()
    modes = names["modes"]
    torch.testing.assert_close(modes.weight.sum(0), torch.ones(3, dtype=torch.float64))
    assert modes.covariance_of("rotation_vector").shape == (4, 3, 6, 6)
