from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"mmcv", "mmdet", "mmdet3d", "mmseg", "mmengine", "numpy", "scipy", "cv2", "nuscenes", "torchvision"}:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
import torch
from epropnp_det.pnp import Camera, Correspondences, EProPnP4DoF, PnPProblem, YawPose, monte_carlo_pose_loss

generator = torch.Generator().manual_seed(0)
camera = Camera.for_image([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]], (1600, 900))
pose = torch.tensor([[1.0, 1.0, 15.0, 0.3]])
x3d = torch.rand(1, 16, 3, generator=generator) * 4 - 2
problem = PnPProblem.adaptive(Correspondences(x3d, camera.project(YawPose.transform(pose, x3d)), torch.ones(1, 16, 2)), camera)
estimate, samples = EProPnP4DoF(mc_samples=64)(problem, generator=generator)
assert torch.allclose(estimate.pose, pose, atol=1e-2), estimate.pose
assert monte_carlo_pose_loss(samples, problem.cost(pose)).isfinite().all()
"""


def test_the_layer_needs_torch_alone() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
