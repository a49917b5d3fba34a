"""Hook of the documentation site: links from a page to files outside docs/.

A page names configs and programs by relative links, which work in a clone. On the site they lead to
`extra.source_url`, or become plain text where no address is set. A link to a missing file is a
warning, and so an error of `make docs`.
"""

from __future__ import annotations

import logging
import os.path
import re
from pathlib import Path
from typing import Any

LOG = logging.getLogger("mkdocs.hooks.site_links")
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)\s]*)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Rewrites the links of one page; called by mkdocs."""
    folder = Path(page.file.abs_src_path).parent
    docs = Path(config.docs_dir)
    source_url = config.extra["source_url"]

    def rewrite(link: re.Match[str]) -> str:
        path, _hash, anchor = link["target"].partition("#")
        target = Path(os.path.normpath(folder / path))
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            LOG.warning("%s: the link %s leads to no file", page.file.src_path, link["target"])
        if not source_url:
            return link["text"]
        place = target.relative_to(docs.parent).as_posix()
        return f"[{link['text']}]({source_url}/{place}{_hash}{anchor})"

    return LINK.sub(rewrite, markdown)
