"""Links that lead out of docs/: pictures come along, and other files are only named."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\(\.\./(?P<path>[^)#\s]+)[^)]*\)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with pictures of the repository beside it, and its other files unlinked."""
    root = Path(config.docs_dir).parent

    def inside(link: re.Match[str]) -> str:
        path = link["path"]
        if not link["picture"]:
            return link["text"]
        files.append(File.generated(config, path, abs_src_path=str(root / path)))
        return f"![{link['text']}]({path})"

    return LINK.sub(inside, markdown)
