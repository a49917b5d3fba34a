"""Links of the documentation site to files outside docs/."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
FILE = "how-to/install.md"
PAGE = SimpleNamespace(file=SimpleNamespace(abs_src_path=str(ROOT / "docs" / FILE), src_path=FILE))


def rewrite(markdown: str, source_url: str = "") -> str:
    spec = importlib.util.spec_from_file_location("site_links", ROOT / "tools" / "site_links.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = SimpleNamespace(docs_dir=str(ROOT / "docs"), extra={"source_url": source_url})
    return module.on_page_markdown(markdown, page=PAGE, config=config)


@pytest.mark.parametrize(
    "link", ["[page](../index.md)", "![picture](../../README.md)", "[web](https://a.b)"]
)
def test_other_links_stay(link: str) -> None:
    assert rewrite(link, "https://host/blob/main") == link


def test_files_outside_lead_to_the_source() -> None:
    link = "see [the licence](../../LICENSE#terms)."
    assert rewrite(link) == "see the licence."
    assert rewrite(link, "https://host/blob/main") == (
        "see [the licence](https://host/blob/main/LICENSE#terms)."
    )


def test_a_missing_file_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mkdocs.hooks.site_links"):
        rewrite("[gone](../../no_such_file.py)")
    assert "how-to/install.md: the link ../../no_such_file.py leads to no file" in caplog.text
