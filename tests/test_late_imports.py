"""A module is imported at its first use, and is itself again outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from epropnp_det.late_imports import late_import
from tests.nuscenes_factory import VERSION, write_database

CREATE_DATA = Path(__file__).parents[1] / "tools" / "create_data.py"
CONTENT = "loaded = True\ndef double(value):\n    return 2 * value\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "late_example"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "inner.py").write_text(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    yield "late_example.inner"
    for name in ("late_example", "late_example.inner"):
        sys.modules.pop(name, None)


def test_a_module_is_imported_when_it_is_used(package: str) -> None:
    with late_import(package, "double"):
        import late_example.inner as late
        from late_example.inner import double
    assert package not in sys.modules
    assert late.loaded and package in sys.modules
    assert double(4) == 8 and late.double(4) == 8


def test_imports_outside_are_the_module_itself(package: str) -> None:
    with late_import(package, "double"):
        from late_example.inner import double
    import late_example.inner as real

    assert real.__file__ is not None and double(3) == 6
    with late_import(package):
        import late_example.inner as again
    assert again is real


def test_commands_import_no_compiler_no_mixtures_and_no_tables() -> None:
    code = "import sys, epropnp_det.detection.inference, epropnp_det.engine.model\n"
    code += "print([name in sys.modules for name in ('torch._dynamo', 'sklearn', 'pandas')])\n"
    code += "import torch._dynamo\n"
    code += "print(torch._dynamo.is_compiling())\n"
    code += "from mmdet.models.dense_heads import paa_head\n"
    code += "from mmdet3d.datasets import lyft_dataset\n"
    code += "print(paa_head.skm.GaussianMixture(2).n_components, lyft_dataset.pd.Series([1]).sum())"
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["[False, False, False]", "False", "2 1"]


def test_a_conversion_imports_no_networks_and_no_sklearn(tmp_path: Path) -> None:
    root = write_database(tmp_path / "data")
    code = "import runpy, sys\n"
    code += f"sys.argv = ['create_data.py', 'nuscenes', {str(root)!r}, '--version', {VERSION!r}]\n"
    code += f"try: runpy.run_path({str(CREATE_DATA)!r}, run_name='__main__')\n"
    code += "except SystemExit as end: assert not end.code\n"
    code += "print([name in sys.modules for name in ('nuscenes', 'torch', 'sklearn')])"
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[True, False, False]"
