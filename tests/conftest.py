from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        help=(
            "backend of the layer in tests/pnp: torch, cpp or triton (default: kernels where there "
            "are some)"
        ),
    )


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """Recorded numbers of the released programs; EPROPNP_REFERENCE names a folder with other
    recordings of the same form.
    """
    return Path(os.environ.get("EPROPNP_REFERENCE", Path(__file__).parent / "data" / "reference"))


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., tuple[int, str, str]]:
    """Runs `main` of a file in tools/, or in another folder, with arguments; returns exit code,
    output and error output.
    """

    def run(tool: str, *arguments: object, folder: Path = TOOLS) -> tuple[int, str, str]:
        spec = importlib.util.spec_from_file_location(tool, folder / f"{tool}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, tool, module)  # dataclasses look there
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [tool, *map(str, arguments)])
        code = module.main()
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def full_disk(small_disk: Path) -> Path:
    """A disk whose last byte is taken by the file "ballast"."""
    with contextlib.suppress(OSError), open(small_disk / "ballast", "wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    return small_disk


@pytest.fixture
def read_only_disk(small_disk: Path) -> Path:
    """An empty disk that nothing can be written to, by root neither."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk
