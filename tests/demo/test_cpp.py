"""The C++ example prints the pose that the layer finds in Python."""

from __future__ import annotations

import importlib.util
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from epropnp_det.pnp import Camera, Correspondences, EProPnP4DoF, PnPProblem
from epropnp_det.pnp.ops.cpu import library
from tests.tolerances import PRINTED_POSE

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "demo" / "cpp"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Output of the example, linked with the kernels that Python uses."""
    if shutil.which("make") is None or shutil.which("c++") is None:
        pytest.skip("needs make and a C++ compiler")
    if not library.BUILT:
        pytest.skip("needs the compiled kernels")
    kernels = importlib.util.find_spec(f"epropnp_det.pnp.ops.cpu.{library.build()}").origin
    settings = [f"OUT={tmp_path_factory.mktemp('cpp')}", f"KERNELS={kernels}", "CXXFLAGS=-O1"]
    words = ["make", "-s", "-C", str(EXAMPLE), "run", *settings]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def solve() -> tuple[torch.Tensor, float, torch.Tensor]:
    """Pose, cost, and standard deviations of the pose, by the layer."""
    numbers = torch.from_numpy(np.loadtxt(EXAMPLE / "points.txt", dtype=np.float32))
    matrix = torch.tensor([[1266.4, 0, 816.3], [0, 1266.4, 491.5], [0, 0, 1]])
    points = Correspondences(numbers[:, :3], numbers[:, 3:5], numbers[:, 5:])
    problem = PnPProblem.adaptive(points, Camera.for_image(matrix, (1600, 900)))
    layer = EProPnP4DoF(mc_samples=512)
    estimate = layer.solve(problem, generator=torch.Generator().manual_seed(0))
    return estimate.pose, float(estimate.cost), estimate.covariance.diagonal().sqrt()


def test_the_example_prints_the_pose_of_the_layer(printed: str):
    pose, cost, deviation = solve()
    line, samples = printed.splitlines()
    found = [float(number) for number in re.findall(r"-?\d+\.\d+", line)]
    np.testing.assert_allclose(found, [*pose.tolist(), cost], atol=PRINTED_POSE, rtol=0)
    _, mean, spread = map(float, re.findall(r"\d+\.?\d*", samples))
    sigma = float(deviation[2])
    assert math.isclose(mean, float(pose[2]), abs_tol=0.5 * sigma)
    assert 0.7 * sigma < spread < 1.5 * sigma


def test_the_header_has_every_field_of_the_structures():
    header = (ROOT / "epropnp_det/pnp/ops/cpu/epropnp.h").read_text()
    for structure, end in ((library.Objects, "epropnp_objects"), (library.Plan, "epropnp_plan")):
        (body,) = re.findall(r"typedef struct \{([^}]*)\} " + end, header)
        code = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
        names = re.findall(r"(\w+)\s*[,;]", code)
        assert names == [name for name, _ in structure._fields_]
