"""Package description. The pinned stack lives in requirements/; `make env` installs it."""

import platform
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    scope: dict[str, str] = {}
    exec((ROOT / "epropnp_det" / "__init__.py").read_text(), scope)
    return scope["__version__"]


# The CPU kernels of the layer, once for each instruction set: torch tells at run time which of them
# the processor has. (A build for the processor at hand alone would stop with an illegal instruction
# on another node of a cluster.)
KERNELS = "epropnp_det.pnp.ops.cpu"
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512"]
BUILDS = {
    "_baseline": [],
    **({"_avx2": AVX2, "_avx512": AVX512} if platform.machine() in ("x86_64", "AMD64") else {}),
}


def kernels(name: str, instructions: list[str]) -> Extension:
    """Not a Python module but a plain library that ctypes loads; without a compiler the
    installation goes on without it.
    """
    folder = KERNELS.replace(".", "/")
    # Apple's compiler has no OpenMP: there the kernels run on one thread.
    threads = [] if sys.platform == "darwin" else ["-fopenmp"]
    exact = [
        "-fno-math-errno",
        "-fno-trapping-math",
        "-fno-signed-zeros",
    ]  # NaN and infinity keep their meaning
    return Extension(
        f"{KERNELS}.{name}",
        [f"{folder}/kernels.cpp"],
        depends=[str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).glob("*.hpp"))],
        extra_compile_args=[
            "-std=c++17",
            "-O3",
            "-g0",
            "-Wno-psabi",
            "-Wno-maybe-uninitialized",
            *exact,
            *threads,
            *instructions,
        ],
        extra_link_args=threads,
        language="c++",
        optional=True,
    )


setup(
    name="epropnp_det",
    version=version(),
    description="Monocular 3D object detection with pose distributions: EPro-PnP for MMDetection3D, and the layer alone",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["epropnp_det", "epropnp_det.*"]),
    package_data={"epropnp_det.drawing": ["*.html"]},
    ext_modules=[kernels(name, instructions) for name, instructions in BUILDS.items()],
    python_requires=">=3.11",
    # The layer (epropnp_det.pnp) needs torch alone. The detector's stack cannot be expressed here, because mmdet3d's own
    # pins contradict it: `make env` installs it with overrides, and tools/doctor.py says what is
    # missing.
    install_requires=["torch>=2.1"],
)
