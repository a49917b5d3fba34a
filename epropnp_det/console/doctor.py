"""`epropnp doctor`: checks the installation and prints one line per check, failures with a remedy.

Exit code 1 if a required check fails. Needs nothing but Python itself.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import io
import logging
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

EXAMPLES = """examples:
  epropnp doctor             the layer and the detector
  epropnp doctor --layer     what epropnp_det.pnp needs, and nothing else
"""
INSTALL_PAGE = "docs/how-to/install.md"
MAKE_ENV = f"run `make env`, or see {INSTALL_PAGE}"
INSTALL_TORCH = f"pip install 'torch>=2.4', or {MAKE_ENV}"
REBUILD = (
    "mmcv-full was built for another torch or Python: remove its wheel from "
    "~/.cache/epropnp_det/wheels and run `make env` again"
)
OPENCV_WHEELS = ("opencv-python", "opencv-contrib-python", "opencv-python-headless")
OLDEST_TORCH = (2, 4)


class CheckFailed(Exception):
    """The fault of a check, in a few words."""


@dataclass(frozen=True)
class Check:
    """One line of the report: `run` returns a short description, or raises.

    `layer` marks what `epropnp_det.pnp` needs; the other checks concern the detector alone.
    """

    name: str
    run: Callable[[], str]
    remedy: str
    required: bool = True
    layer: bool = False


def require(condition: bool, fault: str) -> None:
    if not condition:
        raise CheckFailed(fault)


def check_system() -> str:
    return f"{platform.platform()}, {os.cpu_count()} cores"


def check_python() -> str:
    version = platform.python_version()
    require(sys.version_info[:2] >= (3, 11), f"{version} is older than 3.11")
    return f"{version} at {sys.executable}"


def check_python_of_detector() -> str:
    version = platform.python_version()
    require(sys.version_info[:2] == (3, 11), f"{version}; the detector is tested with 3.11")
    return version


def check_compiler() -> str:
    found = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    require(found is not None, "none found")
    return str(found)


def check_torch() -> str:
    import torch

    require(version_of("torch") >= OLDEST_TORCH, f"{torch.__version__} is older than 2.4")
    require(float(torch.ones(3).sum()) == 3.0, "addition gives a wrong sum")
    return torch.__version__


def check_cuda() -> str:
    import torch

    require(
        torch.cuda.is_available(),
        f"no GPU that torch {torch.__version__} can use; everything runs on the CPU",
    )
    total = float(torch.ones(3, device="cuda").sum())
    require(total == 3.0, "addition on the GPU gives a wrong sum")
    name = torch.cuda.get_device_name(0)
    return f"{torch.cuda.device_count()} x {name}, CUDA {torch.version.cuda}"


def check_torchvision() -> str:
    import torchvision

    torchvision.ops.nms  # noqa: B018  its operators do not load with another torch
    return torchvision.__version__


def check_numpy() -> str:
    import numpy

    require(
        int(numpy.__version__.split(".")[0]) < 2,
        f"{numpy.__version__}; mmcv and the devkit need numpy 1",
    )
    return numpy.__version__


def check_opencv() -> str:
    wheels = [name for name in OPENCV_WHEELS if is_installed(name)]
    require(len(wheels) <= 1, f"{' and '.join(wheels)} overwrite each other's files")
    import cv2

    require(
        wheels == ["opencv-python-headless"],
        f"{wheels[0] if wheels else 'an unknown build'} needs a display",
    )
    return f"{cv2.__version__}, headless"


def check_mmcv() -> str:
    import mmcv

    require(
        is_installed("mmcv-full"),
        f"mmcv {mmcv.__version__} comes without operators; mmcv-full is needed",
    )
    return mmcv.__version__


def check_deformable_convolution(device: str = "cpu") -> str:
    import torch
    from mmcv.ops import ModulatedDeformConv2d

    layer = ModulatedDeformConv2d(4, 4, kernel_size=3, padding=1).to(device)
    image = torch.rand(1, 4, 6, 7, device=device)
    out = layer(
        image, torch.zeros(1, 18, 6, 7, device=device), torch.ones(1, 9, 6, 7, device=device)
    )
    plain = torch.nn.functional.conv2d(image, layer.weight, layer.bias, padding=1)
    # Without offsets and with masks of one it is an ordinary convolution.
    require(torch.allclose(out, plain, atol=1e-4), "wrong values")
    return "runs"


def check_rotated_nms(device: str = "cpu") -> str:
    import torch
    from mmcv.ops import nms_rotated

    boxes = torch.tensor(
        [[0.0, 0.0, 4.0, 2.0, 0.0], [0.1, 0.0, 4.0, 2.0, 0.0], [9.0, 9.0, 4.0, 2.0, 1.0]],
        device=device,
    )
    _, kept = nms_rotated(boxes, torch.tensor([0.9, 0.8, 0.7], device=device), 0.5)
    require(sorted(kept.tolist()) == [0, 2], f"kept {kept.tolist()} of boxes 0 and 2")
    return "runs"


def check_roi_align(device: str = "cpu") -> str:
    import torch
    from mmcv.ops import roi_align

    box = torch.tensor([[0.0, 1.0, 1.0, 5.0, 5.0]], device=device)
    out = roi_align(torch.ones(1, 1, 8, 8, device=device), box, (2, 2), 1.0, 2, "avg", True)
    require(torch.allclose(out, torch.ones_like(out)), "wrong values")
    return "runs"


def check_cuda_operators() -> str:
    import torch

    require(torch.cuda.is_available(), "not checked without a GPU")
    for check in (check_deformable_convolution, check_rotated_nms, check_roi_align):
        check("cuda")
    return "run"


def check_mmdet() -> str:
    import mmdet

    return mmdet.__version__


def check_mmdet3d() -> str:
    importlib.import_module("epropnp_det.compat")  # lifts the assert on mmcv's version
    importlib.import_module("mmdet3d.models")
    return importlib.metadata.version("mmdet3d")


def check_devkit() -> str:
    import nuscenes.eval.detection.evaluate  # noqa: F401

    return importlib.metadata.version("nuscenes-devkit")


def check_layer() -> str:
    importlib.import_module("epropnp_det.pnp")
    return "the layer alone (torch only)"


def check_kernels() -> str:
    library = importlib.import_module("epropnp_det.pnp.ops.cpu.library")
    require(
        library.library() is not None,
        "not built; the layer runs on plain torch, many times slower on a CPU",
    )
    return str(library.build())


def check_plugin() -> str:
    importlib.import_module("epropnp_det.detection")
    return importlib.import_module("epropnp_det").__version__


NO_GPU = "fine without a GPU; with one, install a driver that is new enough for torch's CUDA"
REINSTALL = "pip install --no-build-isolation --no-deps -e . in the folder of the project"

CHECKS = (
    Check("System", check_system, "", required=False, layer=True),
    Check("Python", check_python, "install Python 3.11 or newer", layer=True),
    Check("torch", check_torch, INSTALL_TORCH, layer=True),
    Check("CUDA", check_cuda, NO_GPU, required=False, layer=True),
    Check("epropnp_det.pnp", check_layer, REINSTALL, layer=True),
    Check(
        "C++ compiler",
        check_compiler,
        "for mmcv-full and the CPU kernels: install one, e.g. apt-get install g++",
        required=False,
        layer=True,
    ),
    Check(
        "CPU kernels",
        check_kernels,
        f"install a C++ compiler, then EPROPNP_KERNELS=require {REINSTALL}",
        required=False,
        layer=True,
    ),
    Check(
        "Python of mmcv",
        check_python_of_detector,
        "install Python 3.11 and set PYTHON=/path/to/python3.11 for `make env`",
        required=False,
    ),
    Check(
        "torchvision",
        check_torchvision,
        "install the torchvision of this torch release (requirements/torch.txt)",
    ),
    Check("numpy", check_numpy, "pip install 'numpy==1.26.4'"),
    Check(
        "OpenCV",
        check_opencv,
        f"pip uninstall -y {' '.join(OPENCV_WHEELS)}; pip install 'opencv-python-headless<4.12'",
    ),
    Check("mmcv-full", check_mmcv, MAKE_ENV),
    Check("mmcv DCNv2", check_deformable_convolution, REBUILD),
    Check("mmcv nms_rotated", check_rotated_nms, REBUILD),
    Check("mmcv roi_align", check_roi_align, REBUILD),
    Check(
        "mmcv on CUDA",
        check_cuda_operators,
        "with a GPU: FORCE_CUDA=1 make env, with a CUDA toolkit in CUDA_HOME",
        required=False,
    ),
    Check("mmdet", check_mmdet, MAKE_ENV),
    Check("mmdet3d", check_mmdet3d, MAKE_ENV),
    Check("nuScenes devkit", check_devkit, MAKE_ENV),
    Check("epropnp_det", check_plugin, f"repair what failed above, then {REINSTALL}"),
)


def is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def version_of(distribution: str) -> tuple[int, ...]:
    numbers = importlib.metadata.version(distribution).split("+")[0].split(".")[:2]
    return tuple(int(number) for number in numbers)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Drops warnings and output of imports, so that the report stays one line per check."""
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def choose_remedy(check: Check, error: Exception) -> str:
    """The remedy of a check, or how to install a package that is missing."""
    if not isinstance(error, ModuleNotFoundError) or error.name == "epropnp_det":
        return check.remedy
    return INSTALL_TORCH if check.layer else MAKE_ENV


def run_check(check: Check) -> bool:
    """Runs a check and prints its line; whether it passed."""
    try:
        with silence():
            found = check.run()
    except Exception as error:  # an import can fail in any way
        fault = str(error) if isinstance(error, CheckFailed) else f"{type(error).__name__}: {error}"
        remedy = choose_remedy(check, error)
        verdict = "FAIL" if check.required else "note"
        text = " ".join(fault.split())[:160]
        print(f"{verdict:<5}{check.name:<17} {text} -> {remedy}", flush=True)
        return False
    print(f"{'OK':<5}{check.name:<17} {found}", flush=True)
    return True


def run_checks(layer_only: bool) -> int:
    """Runs all checks, or those of the layer; returns 1 if a required one fails, otherwise 0."""
    checks = [check for check in CHECKS if check.layer or not layer_only]
    passed = {check.name: run_check(check) for check in checks}
    failed = [check.name for check in checks if check.required and not passed[check.name]]
    if failed:
        print(f"{len(failed)} required check(s) failed: {', '.join(failed)}")
        return 1
    print("everything that is required works")
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    parser.add_argument(
        "--layer", action="store_true", help="check only what epropnp_det.pnp needs"
    )


def add_parser(commands: Any) -> None:
    """Adds `doctor` to the subcommands of a parser."""
    parser = commands.add_parser(
        "doctor",
        help="check the installation",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(run=lambda options: run_checks(options.layer))


def run(options: argparse.Namespace) -> int:
    """Prints the report; returns 1 if a required check fails, otherwise 0."""
    return run_checks(options.layer)
