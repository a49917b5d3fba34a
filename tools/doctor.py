#!/usr/bin/env python
"""Says what is installed, what works, and how to mend what does not: one line for each check.

Exit code 1 if something that is required does not work. Needs nothing but Python itself.

Example:
    python tools/doctor.py
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import io
import logging
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAKE_ENV = "run `make env`, or see docs/how-to/install.md"
REBUILD = "mmcv-full was built for another torch or Python: remove its wheel from ~/.cache/epropnp_det/wheels and run `make env` again"


class CheckFailed(Exception):
    """A check's fault, in a few words."""


@dataclass(frozen=True)
class Check:
    """One line of the report: `run` returns what is fine, or raises."""

    name: str
    run: Callable[[], str]
    fix: str
    required: bool = True


def require(condition: bool, fault: str) -> None:
    if not condition:
        raise CheckFailed(fault)


def check_python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    require(sys.version_info[:2] == (3, 11), f"{version}, tested with 3.11")
    return f"{version} at {sys.executable}"


def check_compiler() -> str:
    found = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    require(found is not None, "none found")
    return str(found)


def check_torch() -> str:
    import torch

    require(version_of("torch") < (2, 13), f"{torch.__version__} has no matching torchvision")
    require(float(torch.ones(3).sum()) == 3.0, "cannot add")
    return torch.__version__


def check_cuda() -> str:
    import torch

    require(
        torch.cuda.is_available(),
        f"no GPU that torch {torch.__version__} can use; everything runs on the CPU",
    )
    require(float(torch.ones(3, device="cuda").sum()) == 3.0, "the GPU cannot add")
    return (
        f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}"
    )


def check_torchvision() -> str:
    import torchvision

    torchvision.ops.nms  # noqa: B018  its operators do not load beside another torch
    return torchvision.__version__


def check_numpy() -> str:
    import numpy

    require(
        int(numpy.__version__.split(".")[0]) < 2,
        f"{numpy.__version__}; mmcv and the devkit need numpy 1",
    )
    return numpy.__version__


def check_opencv() -> str:
    wheels = [
        name
        for name in ("opencv-python", "opencv-contrib-python", "opencv-python-headless")
        if is_installed(name)
    ]
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


CHECKS = (
    Check(
        "Python",
        check_python,
        "install Python 3.11 and set PYTHON=/path/to/python3.11 for `make env`",
        required=False,
    ),
    Check(
        "C++ compiler",
        check_compiler,
        "for mmcv-full and the CPU kernels: install one, e.g. apt-get install g++",
        required=False,
    ),
    Check("torch", check_torch, MAKE_ENV),
    Check(
        "CUDA",
        check_cuda,
        "fine without a GPU; with one, see that its driver is new enough for torch's CUDA",
        required=False,
    ),
    Check(
        "torchvision",
        check_torchvision,
        "install the torchvision that belongs to this torch (requirements/torch.txt)",
    ),
    Check("numpy", check_numpy, "pip install 'numpy==1.26.4'"),
    Check(
        "OpenCV",
        check_opencv,
        "pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless; pip install 'opencv-python-headless<4.12'",
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
    Check("epropnp_det.pnp", check_layer, "pip install -e . in the folder of the project"),
    Check(
        "CPU kernels",
        check_kernels,
        "install a C++ compiler, then pip install --no-build-isolation --no-deps -e .",
        required=False,
    ),
    Check(
        "epropnp_det",
        check_plugin,
        "pip install -e . in the folder of the project; mend the lines above first",
    ),
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
    """Imports of old packages talk a lot; the report is one line a check."""
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


def examine(check: Check) -> bool:
    """Runs a check and prints its line; whether it passed."""
    try:
        with silence():
            found = check.run()
    except Exception as error:  # an import can fail in any way
        fault = str(error) if isinstance(error, CheckFailed) else f"{type(error).__name__}: {error}"
        # A package that is not there is not a package that was built wrongly.
        fix = (
            MAKE_ENV
            if isinstance(error, ModuleNotFoundError) and error.name != "epropnp_det"
            else check.fix
        )
        verdict = "FAIL" if check.required else "note"
        print(f"{verdict:<5}{check.name:<17} {' '.join(fault.split())[:160]} -> {fix}", flush=True)
        return False
    print(f"{'OK':<5}{check.name:<17} {found}", flush=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    failed = [check.name for check in CHECKS if not examine(check) and check.required]
    print(
        f"{len(failed)} required check(s) failed: {', '.join(failed)}"
        if failed
        else "everything that is required works"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
