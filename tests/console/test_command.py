"""The command `epropnp`: quick to start, with help, and one line for a wrong argument."""

from __future__ import annotations

import subprocess
import sys

import pytest

from epropnp_det import __version__
from epropnp_det.console.command import SUBCOMMANDS, main


def test_version(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--version"])
    assert exit_info.value.code == 0
    assert capsys.readouterr().out == f"epropnp_det {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([name, "--help"] for name in SUBCOMMANDS)],
    ids=" ".join,
)
def test_help_ends_with_examples(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 0
    examples = capsys.readouterr().out.split("examples:\n")[1].splitlines()
    commands = "\n".join(examples).replace("\\\n", "").splitlines()
    assert commands and all(line.startswith("  epropnp ") for line in commands)


@pytest.mark.parametrize("arguments", [[], ["detct"]], ids=["none", "misspelt"])
def test_a_wrong_command_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("epropnp: error: ")


def test_version_imports_no_package_but_python() -> None:
    script = (
        "import sys; from epropnp_det.console.command import make_parser; make_parser(); "
        "print({name.split('.')[0] for name in sys.modules} & {'torch', 'numpy', 'mmcv', 'cv2'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
