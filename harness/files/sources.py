"""The code that decides a number: a module and what it imports from its own package."""

import ast
import importlib.util
import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import PathFinder
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
    codes = {
        name: _code(file, name, _stamp(file))[0] for name, file in source_files(module).items()
    }
    parts = (f"{name}\0{code}\0" for name, code in sorted(codes.items()))
    return text_digest(*parts, digits=16)


def source_files(module: str) -> dict[str, Path]:
    """Return the files that `source_digest` is of, by the names of their modules."""
    packages = {module.partition(".")[0], _SHARED}
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = None if name in found else _file(name)
        if file is None:
            continue
        found[name] = file
        imported = _code(file, name, _stamp(file))[1]
        waiting += [one for one in imported if _top(one) in packages]
    return found


def _stamp(file: Path) -> tuple[int, ...]:
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=512)
def _code(file: Path, name: str, _stamp: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the code of a module and what it imports, read once while the file does not change."""
    if file.suffix != _PYTHON:
        return text_digest(file.read_bytes()), ()

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
    """Return the file of a module, which is not imported; None where the name is something else."""
    top, *below = module.split(".")
    spec, name = importlib.util.find_spec(top), top
    for part in below:
        if spec is None or spec.submodule_search_locations is None:  # a name in a module
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    origin = None if spec is None else spec.origin
    return Path(origin) if origin and Path(origin).is_file() else None


def _top(module: str) -> str:
    return module.partition(".")[0]
