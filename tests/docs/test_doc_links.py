"""Every relative link of README and docs leads to a file, and to a heading where it names one."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from written import LINK, PAGES, ROOT, blocks, name, prose


def anchor(heading: str) -> str:
    """Return what a heading is called in a link, as GitHub and the site make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(found[1]) for found in re.finditer(r"^#+ (.+)$", prose(page), re.MULTILINE)}


def targets(page: Path) -> list[str]:
    found = (one["target"] for one in LINK.finditer(prose(page)))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_link_leads_somewhere(page: Path):
    for target in targets(page):
        path, _, heading = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: no such file"
        assert there.is_relative_to(ROOT), f"{target}: leads out of the repository"
        assert not heading or heading in anchors(there), f"{target}: no such heading"


def test_links_are_found():
    assert sum(len(targets(page)) for page in PAGES) > 60


def test_an_anchor_is_made_as_github_makes_it():
    assert anchor("6. Networks that are closed") == "6-networks-that-are-closed"
    assert anchor("AMBER's `similar` words") == "ambers-similar-words"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_block_is_closed_and_no_heading_is_skipped(page: Path):
    assert all(block.text.strip() for block in blocks(page))
    depths = [len(found[0]) for found in re.finditer(r"^#+(?= )", prose(page), re.MULTILINE)]
    assert depths[0] == 1
    assert depths.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(depths))
