from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

LAYER = Path(__file__).parents[2] / "epropnp_det" / "pnp"
# Floors of imports, packages counted as the modules that they are.
MOST_FLOORS = 16

# torch and what it requires; anything else that is not of Python itself cannot be found.
SCRIPT = """
import importlib.abc, sys

ALLOWED = {"epropnp_det", "torch", "torchgen", "functorch", "triton", "cuda", "nvidia", "sympy"}
ALLOWED |= {"mpmath", "networkx", "jinja2"} | set(sys.stdlib_module_names)
ALLOWED |= {"markupsafe", "filelock", "fsspec", "typing_extensions", "setuptools"}
ALLOWED |= {"_distutils_hack"}
ALLOWED |= {"libtorchsplit"}

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
import torch
from epropnp_det.pnp import Camera, Correspondences, EProPnP4DoF, EProPnP6DoF, PnPProblem
from epropnp_det.pnp import SE3Pose, YawPose, monte_carlo_pose_loss

generator = torch.Generator().manual_seed(0)
camera = Camera.for_image([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]], (1600, 900))
yaw = torch.tensor([[1.0, 1.0, 15.0, 0.3]])
rigid = torch.tensor([[1.0, 1.0, 15.0, 0.5, 0.5, -0.5, 0.5]])
for space, layer, pose in ((YawPose, EProPnP4DoF, yaw), (SE3Pose, EProPnP6DoF, rigid)):
    x3d = torch.rand(1, 16, 3, generator=generator) * 4 - 2
    x2d = camera.project(space.transform(pose, x3d))
    problem = PnPProblem.adaptive(Correspondences(x3d, x2d, torch.ones(1, 16, 2)), camera)
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


def imports_of(path: Path, name: str) -> set[str]:
    """Modules of the layer that a file names in an import, anywhere, TYPE_CHECKING included."""
    found = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return found


def layer_imports() -> dict[str, set[str]]:
    """Module -> modules of the layer that it imports; a package's names are those of its
    `__init__`.
    """
    files = {}
    for path in sorted(LAYER.rglob("*.py")):
        parts = path.relative_to(LAYER.parents[1]).with_suffix("").parts
        files[".".join(part for part in parts if part != "__init__")] = path
    arrows = {name: imports_of(path, name) & set(files) - {name} for name, path in files.items()}
    for name, imported in arrows.items():
        # `from . import a` imports the module a, and what the package itself imports is no part of
        # it.
        parents = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
        arrows[name] = imported - parents
    return arrows


def test_no_module_of_the_layer_imports_itself_by_way_of_others() -> None:
    arrows = layer_imports()
    floors: dict[str, int] = {}
    while len(floors) < len(arrows):
        free = {name for name in arrows if name not in floors and arrows[name] <= set(floors)}
        assert free, f"a circle among {sorted(set(arrows) - set(floors))}"
        floors |= {name: 1 + max((floors[one] for one in arrows[name]), default=0) for name in free}
    assert max(floors.values()) <= MOST_FLOORS, floors


def test_operators_know_no_records() -> None:
    """Operators take tensors: the package of operators imports no camera, points or problem."""
    forbidden = {f"epropnp_det.pnp.{name}" for name in ("camera", "correspondences", "problem")}
    for name, imported in layer_imports().items():
        if name.startswith("epropnp_det.pnp.ops"):
            assert not imported & forbidden, name


def test_importing_the_layer_imports_no_triton() -> None:
    script = "import torch, sys; before = set(sys.modules); import epropnp_det.pnp; "
    script += "print(sum(name.split('.')[0] == 'triton' for name in set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"
