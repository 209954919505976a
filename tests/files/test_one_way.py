"""Each way to put things on a disk and to name contents lives in harness/files/ alone."""

import ast
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent
FORBIDDEN = {
    "os.replace": "harness.files.atomic.written or commit",
    "os.rename": "harness.files.atomic.written or commit",
    "os.fsync": "harness.files.atomic.sync",
    "tempfile.mkstemp": "harness.files.atomic.written",
    "tempfile.NamedTemporaryFile": "harness.files.atomic.written",
    ".rename": "harness.files.atomic.written or commit",
    ".replace": "harness.files.atomic.written or commit",
    "hashlib": "harness.files.digests",
}
PARTS = (".partial", ".tmp", ".part")
"""Ends of names for what is half written."""
ALLOWED = {
    # A download that broke off is continued from its part, so a later call must find it.
    ("upstream/fetch.py", ".partial"),
    # Every rank writes its own files into one part, which no single `with` block can hold.
    ("training/checkpoints/checkpoint.py", ".partial"),
}


def uses(source):
    """Yield the forbidden names that a program uses, by whatever name it imports them."""
    known = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            known |= {one.asname or one.name: one.name for one in node.names}
            yield from (one.name for one in node.names if one.name in FORBIDDEN)
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]
            yield from (name for name in names if name in FORBIDDEN)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            owner = known.get(node.value.id, "") if isinstance(node.value, ast.Name) else ""
            yield from {f"{owner}.{node.attr}", f".{node.attr}"} & set(FORBIDDEN) - {".replace"}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            # Of a text two are given, of a record names: a path alone is replaced by one.
            if node.func.attr == "replace" and len(node.args) == 1 and not node.keywords:
                yield ".replace"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (part for part in PARTS if node.value.endswith(part))


def found():
    files = (file for file in ROOT.rglob("*.py") if file.relative_to(ROOT).parts[0] != "files")
    return {
        (file.relative_to(ROOT).as_posix(), use)
        for file in files
        for use in uses(file.read_text("utf-8"))
    }


def test_nothing_is_written_or_hashed_past_the_one_way():
    strays = [
        f"harness/{file} uses {use}: use {FORBIDDEN.get(use, 'harness.files.atomic.written')}"
        for file, use in sorted(found() - ALLOWED)
    ]
    assert not strays, "\n".join(strays)


def test_every_exception_is_needed():
    assert found() >= ALLOWED


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("import os\nos.replace(a, b)", "os.replace"),
        ("import os as system\nsystem.fsync(1)", "os.fsync"),
        ("from os import replace", "os.replace"),
        ("import tempfile\ntempfile.mkstemp()", "tempfile.mkstemp"),
        ("path.rename(target)", ".rename"),
        ("path.with_suffix('.x').replace(target)", ".replace"),
        ("import hashlib", "hashlib"),
        ("from hashlib import sha256", "hashlib"),
        ("partial = file.with_suffix('.partial')", ".partial"),
        ("partial = f'.{name}.partial'", ".partial"),
    ],
)
def test_a_stray_is_seen(source, use):
    assert use in set(uses(source))


def test_other_things_of_these_names_are_let_be():
    source = """
import os, functools
os.stat(a)
functools.partial(b)
text.replace(a, b)
dataclasses.replace(a, b=c)
"""
    assert not set(uses(source))
