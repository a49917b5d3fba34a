"""Workflows, CI and contribution page name make targets that exist, and nothing but those."""

from __future__ import annotations

import re

import pytest
import yaml

from .conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
PAGES = (ROOT / ".ci" / "run", ROOT / "CONTRIBUTING.md")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_step_of_a_workflow_is_a_make_target(path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert commands
    assert {re.match(r"make ([a-z-]+)", command)[1] for command in commands} <= TARGETS


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_named_targets_exist(path) -> None:
    named = set(re.findall(r"^`*make ([a-z-]+)|`make ([a-z-]+)", path.read_text(), re.MULTILINE))
    targets = {first or second for first, second in named}
    assert targets and targets <= TARGETS
