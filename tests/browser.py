"""A headless Chromium for tests that click: Debian's package, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "google-chrome")
REQUIRE = "EPROPNP_BROWSER"


def missing(reason: str) -> None:
    """Skips the test, or fails it where the environment requires a browser, as CI does."""
    if os.environ.get(REQUIRE) == "require":
        pytest.fail(f"{reason}, and {REQUIRE}=require")
    pytest.skip(f"{reason}; `make browser` installs it")


@contextmanager
def browser() -> Iterator[Any]:
    """Playwright's browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the package playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing("there is no Chromium")
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root, which CI runs as.
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()
