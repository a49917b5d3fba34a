"""The README and the pages are true: their examples run, their links lead to files, their commands
have these options.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^python ((?:tools|demo)/\w+\.py)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
WITH_SUBCOMMANDS = ("tools/create_data.py",)


def run_python_block(page: Path, containing: str) -> dict:
    """Runs the block of a page that contains a text; returns its names."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    (code,) = (block for block in blocks if containing in block)
    names: dict = {}
    exec(compile(code, str(page), "exec"), names)
    return names


def test_the_layer_finds_the_pose_of_the_example() -> None:
    torch.manual_seed(0)
    names = run_python_block(README, "EProPnP4DoF(")
    error = names["estimate"].pose - names["true_pose"]
    assert names["estimate"].valid.all()
    assert error.abs().max() < 1e-3  # metres and radians; exact correspondences, float32
    assert names["w2d"].grad.isfinite().all() and names["w2d"].grad.abs().sum() > 0


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "tutorials" / "detect.md"])
def test_the_shipped_weights_detect_the_example(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    detections = run_python_block(page, "init_model(")["detections"]
    # The ground truth of the motorcycle in front of the camera is x -3.05, z 10.19 m.
    x, _, z, _ = detections.pose[detections.score > 0.6].unbind(-1)
    assert ((x + 3.05).hypot(z - 10.19)).min() < 0.5
    assert detections.sample_pose.shape == (len(detections.pose), 512, 4)
    assert torch.allclose(detections.sample_weight.nansum(1).max(), torch.tensor(1.0))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    assert [link for link in links if "://" not in link and not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in anchors(target))


def test_the_commands_of_the_readme_run_as_they_are(tmp_path: Path) -> None:
    (section,) = re.findall(r"## Detect\n(.*?)\n## ", README.read_text(), flags=re.DOTALL)
    (block,) = re.findall(r"```bash\n(.*?)```", section, flags=re.DOTALL)
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-e", "-c", block],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "DISPLAY": "", "WAYLAND_DISPLAY": ""},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert {each.name for each in (tmp_path / "found").iterdir()} == {"street.png", "street.json"}


def anchors(page: Path) -> set[str]:
    """The headings of a page as parts of addresses: lower case, hyphens, no punctuation."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def help_text(command: str) -> str:
    """The help of a script and, behind a blank, of its subcommand."""
    script, _, subcommand = command.partition(" ")
    words = [sys.executable, script, *subcommand.split()]
    return subprocess.run(
        [*words, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=100
    ).stdout


def commands(page: Path) -> list[tuple[str, set[str]]]:
    """Scripts of a page's commands with their subcommands, and the options given to them."""
    return [
        (
            f"{script} {arguments.split()[0]}" if script in WITH_SUBCOMMANDS else script,
            set(re.findall(r"(?<=\s)--[\w-]+", re.sub(r"#.*", "", arguments))),
        )
        for script, arguments in COMMAND.findall(page.read_text())
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda p: p.stem)
def test_shown_options_exist(page: Path) -> None:
    unknown = [
        (script, option)
        for script, options in commands(page)
        for option in options
        if not re.search(rf"{option}\b", help_text(script))
    ]
    assert unknown == []
