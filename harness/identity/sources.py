"""The code that decides a number: a module and what it imports from its own package."""

import ast
import importlib.util
import io
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from harness.files.digests import text_digest

_SHARED = "methods"
"""What a method of any package may build on."""
_PYTHON = ".py"


class _Span(NamedTuple):
    """A piece of a text: rows from zero, columns in bytes."""

    row: int
    column: int
    end_row: int
    end_column: int


def source_digest(module: str) -> str:
    """Return 16 hex digits over a module and all that it imports from its own package.

    What it imports from `methods` counts as well. Comments, docstrings and blank lines do not.
    """
    packages = {module.partition(".")[0], _SHARED}
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if name in found or file is None:
            continue
        if file.suffix != _PYTHON:
            found[name] = text_digest(file.read_bytes())
            continue
        stat = file.stat()
        stamp = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        found[name], imported = _code(file, name, stamp)
        waiting += [one for one in imported if _top(one) in packages]
    parts = (f"{name}\0{code}\0" for name, code in sorted(found.items()))
    return text_digest(*parts, digits=16)


@lru_cache(maxsize=512)
def _code(file: Path, name: str, _stamp: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the code of a module and what it imports, read once while the file does not change."""
    text = file.read_text("utf-8")
    return stripped(text), tuple(_imported(text, name, file.name == "__init__.py"))


def stripped(text: str) -> str:
    """Return Python code without comments, bare strings and blank lines.

    By their places in the text, and not by writing the code anew, which every version of Python
    does in a way of its own.
    """
    lines = text.encode().splitlines()
    for span in sorted((*_comments(text), *_bare_strings(text)), reverse=True):
        rest = lines[span.end_row][span.end_column :]
        lines[span.row : span.end_row + 1] = [lines[span.row][: span.column] + rest]
    return b"\n".join(line.rstrip() for line in lines if line.strip()).decode()


def _comments(text: str) -> Iterator[_Span]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row = token.start[0] - 1
            places = (token.start[1], token.end[1])
            first, end = (len(token.line[:place].encode()) for place in places)
            yield _Span(row, first, row, end)


def _bare_strings(text: str) -> Iterator[_Span]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        end_row, end_column = node.end_lineno, node.end_col_offset
        if isinstance(node.value.value, str) and end_row is not None and end_column is not None:
            yield _Span(node.lineno - 1, node.col_offset, end_row - 1, end_column)


def _imported(text: str, module: str, is_package: bool) -> Iterator[str]:
    """Yield the names of modules that a text imports; some may be names in a module."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            whole = importlib.util.resolve_name(relative, package) if node.level else relative
            yield whole
            yield from (f"{whole}.{one.name}" for one in node.names)


def _file(module: str) -> Path | None:
    """Return the file of a module; None where the name is something else."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name in a module, and no module in a package
        return None
    origin = None if spec is None else spec.origin
    return Path(origin) if origin and Path(origin).is_file() else None


def _top(module: str) -> str:
    return module.partition(".")[0]
