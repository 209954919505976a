"""The site is built without a warning, its links hold, and no page loads anything from outside."""

import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from written import ROOT

LOADING = {
    **dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed"), "src"),
    **{"link": "href", "object": "data", "form": "action", "use": "href"},
}
MOST_SECONDS = 15


class Read(HTMLParser):
    """What a page loads, links to and calls by an id."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = {"", "__skip"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.ids.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif LOADING.get(tag) in values:
            self.loads.append(values[LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - begun < MOST_SECONDS
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Read]:
    read = {}
    for page in site.rglob("*.html"):
        read[page] = Read()
        read[page].feed(page.read_text("utf-8"))
    return read


def test_every_page_of_docs_is_there(site: Path):
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    assert not [source for source in sources if not (site / source.with_suffix(".html")).is_file()]


def test_no_page_loads_anything_from_outside(pages: dict[Path, Read]):
    loads = [url for read in pages.values() for url in read.loads]
    assert loads
    assert not [url for url in loads if re.match(r"(?:[a-z]+:)?//", url)]


def test_what_a_page_loads_and_links_to_is_there(site: Path, pages: dict[Path, Read]):
    missing = []
    for page, read in pages.items():
        if page.name == "404.html":  # its addresses begin at the root of a server
            continue
        for url in (*read.loads, *read.links):
            path, _, heading = unquote(url).partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            there = (page.parent / path.partition("?")[0]).resolve() if path else page
            there = there / "index.html" if there.is_dir() else there
            if not there.is_file() or (there in pages and heading not in pages[there].ids):
                missing.append((page.relative_to(site), url))
    assert not missing


def test_no_style_loads_anything_from_outside(site: Path):
    """Addresses within `data:` are names of XML and are not loaded."""
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", styles)


def test_the_search_needs_no_server(site: Path):
    """The index lies in a script, and the worker that reads it runs where a page is a file."""
    assert (site / "search" / "search_index.js").read_text("utf-8").startswith("var __index = ")
    assert "assets/iframe-worker.js" in (site / "index.html").read_text("utf-8")


def test_no_source_of_the_site_is_published(site: Path):
    assert not list(site.rglob("*.py"))
    assert not list(site.rglob("__pycache__"))
