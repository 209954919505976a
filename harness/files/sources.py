"""The code that decides a number: a module and what it imports from its own package."""

import ast
import importlib.util
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from harness.files import python_code
from harness.files.digests import remembered, text_digest
from harness.files.python_code import stripped

_SHARED = "methods"
"""What a method of any package may build on."""
_PYTHON = ".py"
_READERS = (Path(__file__), Path(python_code.__file__))
"""Where they change, what is remembered of other files may be read otherwise."""


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

    def read() -> str:
        text = file.read_text("utf-8")
        return json.dumps([stripped(text), [*_imported(text, name, file.name == "__init__.py")]])

    code, imported = json.loads(remembered(lambda: (file, *_READERS), read, f"code of {name}"))
    return code, tuple(imported)


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
