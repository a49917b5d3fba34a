"""Package description. The pinned stack lives in requirements/; `make env` installs it."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    scope: dict[str, str] = {}
    exec((ROOT / "epropnp_det" / "__init__.py").read_text(), scope)
    return scope["__version__"]


setup(
    name="epropnp_det",
    version=version(),
    description="Monocular 3D object detection with pose distributions: EPro-PnP for MMDetection3D, and the layer alone",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["epropnp_det", "epropnp_det.*"]),
    package_data={"epropnp_det.visualization": ["*.html"]},
    python_requires=">=3.11",
    # The layer (epropnp_det.pnp) needs torch alone. The detector's stack cannot be expressed here, because mmdet3d's own
    # pins contradict it: `make env` installs it with overrides, and tools/doctor.py says what is missing.
    install_requires=["torch>=2.1"],
)
