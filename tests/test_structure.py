"""The rooms of the house: few loose files, no crowded room, no circle."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOOSE_FILES, FILES_OF_A_ROOM = 5, 15
FILES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in ("harness", "methods", "benchmarks")
    for file in sorted((ROOT / package).rglob("*.py"))
}


def imported(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports anywhere, for its types too."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                yield below if below in FILES else node.module


def test_few_files_lie_loose_in_the_harness():
    assert len(list((ROOT / "harness").glob("*.py"))) <= LOOSE_FILES


def test_no_room_is_crowded():
    counts = {
        folder: len([file for file in folder.glob("*.py") if file.name != "__init__.py"])
        for folder in {file.parent for file in FILES.values()}
    }
    crowded = {folder: count for folder, count in counts.items() if count > FILES_OF_A_ROOM}
    assert not crowded


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: set(imported(file)) & FILES.keys() - {name} for name, file in FILES.items()}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
