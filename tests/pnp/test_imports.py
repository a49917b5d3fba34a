from __future__ import annotations

import subprocess
import sys

# torch and what it requires; anything else that is not of Python itself cannot be found.
SCRIPT = """
import importlib.abc, sys

ALLOWED = {"epropnp_det", "torch", "torchgen", "functorch", "triton", "cuda", "nvidia", "sympy", "mpmath", "networkx", "jinja2"}
ALLOWED |= {"markupsafe", "filelock", "fsspec", "typing_extensions", "setuptools", "_distutils_hack"} | set(sys.stdlib_module_names)

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
import torch
from epropnp_det.pnp import Camera, Correspondences, EProPnP4DoF, EProPnP6DoF, PnPProblem, SE3Pose, YawPose, monte_carlo_pose_loss

generator = torch.Generator().manual_seed(0)
camera = Camera.for_image([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]], (1600, 900))
yaw, rigid = torch.tensor([[1.0, 1.0, 15.0, 0.3]]), torch.tensor([[1.0, 1.0, 15.0, 0.5, 0.5, -0.5, 0.5]])
for space, layer, pose in ((YawPose, EProPnP4DoF, yaw), (SE3Pose, EProPnP6DoF, rigid)):
    x3d = torch.rand(1, 16, 3, generator=generator) * 4 - 2
    problem = PnPProblem.adaptive(Correspondences(x3d, camera.project(space.transform(pose, x3d)), torch.ones(1, 16, 2)), camera)
    estimate, samples = layer(mc_samples=64)(problem, generator=generator)
    assert space.difference(pose, estimate.pose).abs().max() < 1e-2, estimate.pose
    assert monte_carlo_pose_loss(samples, problem.cost(pose)).isfinite().all()
    assert samples.mean.isfinite().all() and estimate.inverse().covariance.isfinite().all()
"""


def test_the_layer_needs_torch_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
