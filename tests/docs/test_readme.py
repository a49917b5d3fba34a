"""What the README shows is true: its example of the layer runs, its links lead somewhere, its
commands have these options.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_layer_finds_the_pose_of_the_example() -> None:
    torch.manual_seed(0)
    names: dict = {}
    exec(python_blocks()[0], names)
    error = names["estimate"].pose - names["true_pose"]
    assert names["estimate"].valid.all()
    assert error.abs().max() < 1e-3  # metres and radians; exact correspondences, float32
    assert names["w2d"].grad.isfinite().all() and names["w2d"].grad.abs().sum() > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("command", ["tools/train.py", "tools/test.py", "demo/detect.py"])
def test_options_in_the_readme_exist(command: str) -> None:
    lines = [
        line.split("#")[0] for line in README.splitlines() if line.startswith(f"python {command}")
    ]
    shown = {word for line in lines for word in line.split() if word.startswith("--")}
    known = subprocess.run(
        [sys.executable, command, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=100
    ).stdout
    assert lines and all(re.search(rf"{option}\b", known) for option in shown)
