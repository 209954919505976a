"""Every block of Python in README and docs is Python, and runs where it needs nothing else."""

import ast
import builtins
import textwrap

import pytest
from written import PAGES, Block, blocks, name

PYTHON = [block for page in PAGES for block in blocks(page) if block.language == "python"]


def is_whole(tree: ast.Module) -> bool:
    """Tell whether a block binds every name that it reads."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)} | set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return {node.id for node in names} <= bound


@pytest.mark.parametrize(
    "block", PYTHON, ids=[f"{name(block.page)}:{block.line}" for block in PYTHON]
)
def test_it_compiles_and_runs_where_it_is_whole(block: Block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = textwrap.dedent(block.text)
    tree = ast.parse(text)
    if is_whole(tree):
        exec(compile(tree, f"{name(block.page)}:{block.line}", "exec"), {"__name__": "shown"})


def test_blocks_are_found_and_told_apart():
    assert PYTHON
    assert is_whole(ast.parse("from math import pi\ndef area(r):\n    return pi * r**2"))
    assert not is_whole(ast.parse("METHOD = Method(loss=loss)"))
