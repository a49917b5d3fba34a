"""Every repository path that the README or a page names exists, but for files of the reader's own
(`my_*`).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *ROOT.glob("CONTRIBUTING.md"),
    *sorted((ROOT / "docs").rglob("*.md")),
]
ROOMS = "configs|demo|docs|epropnp_det|requirements|tests|tools"
# "epropnp_det/1" is the name of the annotation schema.
NAMED = re.compile(rf"(?<![\w/.-])(?:{ROOMS})/(?!\d)[\w./*{{}},-]*")


def named_paths(text: str) -> set[str]:
    """Paths in the text that begin with a folder of the repository; `{a,b}` is expanded."""
    found = {match.rstrip(".,") for match in NAMED.findall(text)}
    return {path for pattern in found for path in expand(pattern)}


def expand(pattern: str) -> list[str]:
    braces = re.match(r"(.*?)\{([^{}]*)\}(.*)", pattern)
    if braces is None:
        return [pattern]
    head, choices, tail = braces.groups()
    return [path for choice in choices.split(",") for path in expand(head + choice + tail)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_paths_exist(page: Path) -> None:
    named = (path for path in named_paths(page.read_text()) if "/my_" not in path)
    missing = [path for path in named if not any(ROOT.glob(path))]
    assert missing == []


def test_paths_are_found_in_text() -> None:
    text = "see `epropnp_det/{pnp,losses}/`, tools/train.py. Not data/x, work/tools/x or a.tools/x."
    assert named_paths(text) == {"epropnp_det/pnp/", "epropnp_det/losses/", "tools/train.py"}
