"""Follows a page to the letter: writes its files and runs its commands, in their order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r'^```(python|bash)(?: title="([^"]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)


def follow(page: Path, root: Path) -> None:
    """Runs every block of a page in the folder `root`, which stands for the repository's root."""
    for language, title, code in BLOCK.findall(page.read_text()):
        if language == "python":
            (root / title).write_text(code)
        else:
            run_script(code, root)


def run_script(code: str, root: Path) -> str:
    """The output of commands; a command that fails shows the whole of it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    script = code.replace("PYTHONPATH=$PWD", f"PYTHONPATH=$PWD:{ROOT}")
    done = subprocess.run(
        ["bash", "-e", "-c", f"export PYTHONPATH={root}:{ROOT}\n{script}"],
        cwd=root,
        env=os.environ | dict(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout
