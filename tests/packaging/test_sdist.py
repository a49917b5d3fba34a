"""sdist -> wheel -> a new environment: nothing that the package needs is left behind."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import torch

from .conftest import ROOT, Build

CPU = "epropnp_det/pnp/ops/cpu"
IS_X86 = platform.machine() in ("x86_64", "AMD64")
KERNELS = ("_baseline", "_avx2", "_avx512") if IS_X86 else ("_baseline",)
SOLVE = """
import torch
import epropnp_det
from epropnp_det.pnp import Camera, Correspondences, EProPnP4DoF, PnPProblem, YawPose

print(epropnp_det.__file__)
generator = torch.Generator().manual_seed(0)
camera = Camera.for_image([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]], (1600, 900))
pose = torch.tensor([[1.0, 1.0, 15.0, 0.3]])
x3d = torch.rand(1, 16, 3, generator=generator) * 4 - 2
x2d = camera.project(YawPose.transform(pose, x3d))
problem = PnPProblem.adaptive(Correspondences(x3d, x2d, torch.ones(1, 16, 2)), camera)
assert (EProPnP4DoF().solve(problem, generator=generator).pose - pose).abs().max() < 1e-2
"""


@pytest.fixture(scope="module")
def distributions(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    done = build(folder, EPROPNP_KERNELS="require")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def python(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment: the wheel, and torch from the environment of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (wheel,) = distributions.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    run_outside(folder, *pip, "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "torch_of_the_tests.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    return python


def run_outside(folder: Path, *command: object) -> str:
    """Output of a command that runs in another folder, without the paths of the tests."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_sdist_carries_all_sources(distributions: Path) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("epropnp_det/**/*.*")]
    built = (".so", ".pyc")
    sources = {name for name in tracked if not name.endswith(built)}
    sources = {name for name in sources if "__pycache__" not in name}
    assert sources - names == set()
    assert {"LICENSE", "README.md", "requirements/runtime.txt"} <= names
    assert not any(name.endswith(built) for name in names)


@pytest.mark.slow
def test_the_wheel_carries_kernels_types_template_and_licence(distributions: Path) -> None:
    (path,) = distributions.glob("*.whl")
    names = zipfile.ZipFile(path).namelist()
    libraries = {name for name in names if name.endswith(".so")}
    stems = {Path(name).name.partition(".")[0] for name in libraries}
    assert stems == set(KERNELS)
    assert all(name.startswith(f"{CPU}/") for name in libraries)
    schema = "epropnp_det/detection/data/annotation_file.schema.json"
    assert {"epropnp_det/py.typed", "epropnp_det/drawing/page.html", schema} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.endswith((".hpp", ".cpp")) for name in names)
    assert not any(name.startswith("tests/") for name in names)


@pytest.mark.slow
def test_the_layer_runs_in_a_new_environment(python: Path, tmp_path: Path) -> None:
    imported_from = Path(run_outside(tmp_path, python, "-W", "error::UserWarning", "-c", SOLVE))
    assert imported_from.is_relative_to(python.parents[1])


@pytest.mark.slow
def test_the_command_runs_in_a_new_environment(python: Path, tmp_path: Path) -> None:
    lines = run_outside(tmp_path, python.with_name("epropnp"), "doctor", "--layer").splitlines()
    assert any(line.startswith("OK   CPU kernels ") for line in lines)
    assert lines[-1] == "everything that is required works"


def test_without_a_compiler_the_build_goes_on_with_one_warning(
    build: Build, tmp_path: Path
) -> None:
    done = build(tmp_path, "--wheel", CXX="/no/such/compiler")
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("WARNING: no C++ compiler found") == 1
    assert count_libraries(tmp_path) == 0


def test_require_fails_without_a_compiler(build: Build, tmp_path: Path) -> None:
    done = build(tmp_path, "--wheel", CXX="/no/such/compiler", EPROPNP_KERNELS="require")
    assert done.returncode != 0
    assert "EPROPNP_KERNELS=require: no C++ compiler" in done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("false") is None, reason="needs the command `false`")
def test_kernels_that_do_not_compile_stop_the_build(build: Build, tmp_path: Path) -> None:
    done = build(tmp_path, "--wheel", CXX=str(shutil.which("false")))
    assert done.returncode != 0
    assert "the CPU kernels of epropnp_det do not compile" in done.stdout + done.stderr
    assert list(tmp_path.glob("*.whl")) == []


def test_skip_builds_no_kernels(build: Build, tmp_path: Path) -> None:
    done = build(tmp_path, "--wheel", EPROPNP_KERNELS="skip")
    assert done.returncode == 0, done.stderr
    assert count_libraries(tmp_path) == 0


def test_an_unknown_mode_is_refused(build: Build, tmp_path: Path) -> None:
    done = build(tmp_path, "--wheel", EPROPNP_KERNELS="yes")
    assert done.returncode != 0
    assert "EPROPNP_KERNELS must be one of auto, require, skip" in done.stdout + done.stderr


def count_libraries(folder: Path) -> int:
    (wheel,) = folder.glob("*.whl")
    return sum(name.endswith(".so") for name in zipfile.ZipFile(wheel).namelist())
