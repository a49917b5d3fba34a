"""The compiled CPU kernels of the layer. Everything else is declared in pyproject.toml."""

import os
import platform
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
KERNELS = "epropnp_det.pnp.ops.cpu"
FOLDER = KERNELS.replace(".", "/")

# One library per instruction set; torch reports at run time which of them the processor has. A
# build for the processor at hand alone would stop with an illegal instruction on other machines.
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512"]
IS_X86 = platform.machine() in ("x86_64", "AMD64")
INSTRUCTION_SETS = {"_baseline": [], **({"_avx2": AVX2, "_avx512": AVX512} if IS_X86 else {})}

# NaN and infinity keep their meaning.
EXACT = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"]
# Apple's compiler has no OpenMP: there the kernels run on one thread.
THREADS = [] if sys.platform == "darwin" else ["-fopenmp"]
WARNINGS = ["-Wno-psabi", "-Wno-maybe-uninitialized"]

# EPROPNP_KERNELS: `auto` builds the kernels where there is a compiler, `require` fails without
# one, `skip` never builds them.
MODES = ("auto", "require", "skip")


def make_extension(name: str, instructions: list[str]) -> Extension:
    """A plain library that ctypes loads; it is built like a Python extension, but is none."""
    return Extension(
        f"{KERNELS}.{name}",
        [f"{FOLDER}/kernels.cpp"],
        depends=[str(path.relative_to(ROOT)) for path in sorted((ROOT / FOLDER).glob("*.hpp"))],
        extra_compile_args=[
            "-std=c++17", "-O3", "-g0", *WARNINGS, *EXACT, *THREADS, *instructions,
        ],
        extra_link_args=THREADS,
        language="c++",
    )  # fmt: skip


def has_compiler() -> bool:
    """Whether the C++ compiler that setuptools calls is installed."""
    command = os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++"
    return shutil.which(shlex.split(command)[0]) is not None


def is_wanted(mode: str) -> bool:
    """Whether kernels are built; exits if EPROPNP_KERNELS insists and there is no compiler."""
    if mode not in MODES:
        sys.exit(f"EPROPNP_KERNELS must be one of {', '.join(MODES)}, not {mode!r}")
    if mode == "skip" or has_compiler():
        return mode != "skip"
    if mode == "require":
        sys.exit("EPROPNP_KERNELS=require: no C++ compiler; install one (apt-get install g++)")
    print(
        "WARNING: no C++ compiler found. epropnp_det is installed without its CPU kernels: the "
        "layer "
        "runs on plain torch, many times slower on a CPU. Install a compiler (apt-get install g++) "
        "and install epropnp_det again; EPROPNP_KERNELS=require makes this an error.",
        file=sys.stderr,
    )
    return False


class BuildKernels(build_ext):
    """Stops the installation when a compiler is there and a kernel does not compile."""

    def run(self) -> None:
        if not is_wanted(os.environ.get("EPROPNP_KERNELS", "auto")):
            self.extensions = []
        try:
            super().run()
        except Exception as error:
            sys.exit(
                f"error: the CPU kernels of epropnp_det do not compile ({error}). The compiler's "
                "message stands above. EPROPNP_KERNELS=skip installs without them."
            )


setup(
    ext_modules=[make_extension(name, flags) for name, flags in INSTRUCTION_SETS.items()],
    cmdclass={"build_ext": BuildKernels},
)
