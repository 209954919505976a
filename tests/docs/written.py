"""What stands in README.md and docs/: blocks, commands, settings and links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r" *(`{3,}|~{3,})(?P<language>\w*)")
PROGRAM = ["python", "-m", "harness"]
MADE = frozenset({"slic", "my_dpo", "my_questions", "word_gap", "extra_words"})
"""Methods, benchmarks and columns that a reader makes."""
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """Lines that stand as they are: fenced or indented."""

    page: Path
    line: int
    language: str
    text: str


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page; an indented one may also belong to an item of a list."""
    lines = page.read_text("utf-8").splitlines()
    at = 0
    while at < len(lines):
        begun, at = at, at + 1
        fence = FENCE.match(lines[begun])
        if fence:
            while not lines[at].strip().startswith(fence[1]):
                at += 1
            text = "\n".join(lines[begun + 1 : at])
            yield Block(page, begun + 2, fence["language"], text)
            at += 1
        elif lines[begun].startswith("    ") and (not begun or not lines[begun - 1].strip()):
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            yield Block(page, begun + 1, "", "\n".join(lines[begun:at]))


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    text = page.read_text("utf-8")
    for block in blocks(page):
        text = text.replace(block.text, "", 1)
    return text


def shell_lines(block: Block) -> Iterator[list[str]]:
    """Yield the words of each simple command of a block, without comments and optional brackets."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if "python -m harness" not in line and "tox run" not in line:
            continue
        words = [word.strip("[]") for word in shlex.split(line, comments=True)]
        ends = [at for at, word in enumerate(words) if word in ("&&", "|", ">", ";")]
        for start, end in zip([0, *(at + 1 for at in ends)], [*ends, len(words)], strict=True):
            yield words[start:end]


def commands(page: Path) -> Iterator[list[str]]:
    """Yield what follows `python -m harness` in the blocks of a page, also by way of tox."""
    for block in blocks(page):
        for words in shell_lines(block):
            if words[:3] == ["tox", "run", "-e"] and "--" in words:
                yield [words[3], *words[words.index("--") + 1 :]]
            elif PROGRAM[0] in words and words[words.index("python") :][:3] == PROGRAM:
                yield words[words.index("python") + 3 :]


def spans(page: Path) -> Iterator[str]:
    """Yield what stands between single backticks outside of blocks."""
    yield from (found[1] for found in SPAN.finditer(prose(page)))
