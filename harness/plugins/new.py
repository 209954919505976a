"""Write a package with one plug-in that works, from the templates beside this file."""

import importlib.util
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from harness.errors import ConfigError
from harness.files.atomic import written
from harness.files.faults import require_writable
from harness.plugins.names import Kind, require_free

TEMPLATES = Path(__file__).parent / "templates"
SHARED = "shared"
_ENDING = ".j2"
_PIP = "python -m pip install"
ABOUT = {
    Kind.METHOD: "DPO with a margin, to be turned into a method of your own.",
    Kind.BENCHMARK: "Short questions about images, to be turned into a benchmark of your own.",
    Kind.COLUMN: "A number of every preference pair, to be turned into a column of your own.",
}


@dataclass(frozen=True)
class Made:
    """A package that was written."""

    folder: Path
    near: tuple[str, ...]
    """Registered names that are like the new one."""
    steps: tuple[str, ...]
    """Commands that install, test, check and use it, from where it was made."""


def new_package(kind: Kind, name: str, place: Path) -> Made:
    """Write the package `place/name`.

    Raises:
        ConfigError: The name cannot be had, or there is something at the folder.
    """
    near = require_free(kind, name)
    folder = place / name
    if os.path.lexists(folder):
        raise ConfigError(
            f"{folder}: is there already, and is left as it is. Choose another name, or name "
            "another place with --to."
        )
    require_writable(place, "--to")
    with written(folder) as partial:
        for target, text in _files(kind, name):
            file = partial / target
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    return Made(folder, tuple(near), _steps(kind, name, str(folder), _installer()))


def _files(kind: Kind, name: str) -> Iterator[tuple[Path, str]]:
    """Yield the path of every file below the package's folder, and what it holds."""
    # Nothing is escaped: what is written is code and no page, and the name is an identifier.
    environment = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True
    )
    package = f"harness_{name}"
    values = {
        "kind": kind.value,
        "name": name,
        "package": package,
        "distribution": package.replace("_", "-"),
        "about": ABOUT[kind],
        "steps": _steps(kind, name, ".", _PIP),
    }
    for folder in (TEMPLATES / SHARED, TEMPLATES / kind.value):
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            path = str(file.relative_to(folder)).removesuffix(_ENDING)
            path = path.replace("__package__", package).replace("__name__", name)
            yield Path(path), environment.from_string(file.read_text("utf-8")).render(values)


def _steps(kind: Kind, name: str, folder: str, installer: str) -> tuple[str, ...]:
    where = shlex.quote(folder)
    use = {
        Kind.METHOD: f"reproduce --method {name} --size tiny",
        Kind.BENCHMARK: f"score --benchmark {name} --data {where}/example "
        f"--responses {where}/example/answers.jsonl",
        Kind.COLUMN: f"prepare --columns {name} --data world:preferences",
    }
    return (
        f"{installer} -e {where} pytest",
        f"python -m pytest {where}",
        f"python -m harness check-plugin {name}",
        f"python -m harness {use[kind]}",
    )


def _installer() -> str:
    """Return what installs packages where this Python runs; an environment of uv has no pip."""
    if importlib.util.find_spec("pip") is not None:
        return _PIP
    return f"uv pip install --python {shlex.quote(sys.executable)}"
