"""The folder of tables: an index of all, and what each said before."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from harness.files.atomic import write_text
from harness.reporting.words import escaped, grid
from harness.reporting.writers.records import PUBLISHED

HISTORY = "history"
INDEX = "index.md"


def put(file: Path, text: str) -> None:
    """Write a table; another text that stood there goes into `history/`, with its time."""
    if file.exists():
        before = file.read_bytes()
        if before == text.encode():
            return
        made = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        kept = file.parent / HISTORY / f"{file.stem}-{made:%Y%m%d-%H%M%S}{file.suffix}"
        if not kept.exists():
            write_text(kept, before.decode("utf-8", "replace"))
    write_text(file, text)


def write_index(folder: Path) -> None:
    """Write a line for every table of the folder: what it holds, and under which setting."""
    rows = [_row(file) for file in sorted(folder.glob("*.csv"))]
    head = ("table", "runs", "judged by", "protocol", "written")
    write_text(folder / INDEX, f"# Tables\n\n{grid(head, rows)}\n")


def _row(file: Path) -> list[str]:
    with file.open(encoding="utf-8", newline="") as stream:
        records = list(csv.DictReader(stream))
    own = [one for one in records if one["kind"] != PUBLISHED]
    runs = dict.fromkeys(" ".join(filter(None, (one["method"], one["variant"]))) for one in own)
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return [
        f"[{escaped(file.stem)}]({file.stem}.md)",
        escaped(", ".join(runs)),
        escaped("; ".join(_different(own, "judge"))),
        escaped(", ".join(_different(own, "protocol"))),
        f"{written:%Y-%m-%d %H:%M} UTC",
    ]


def _different(records: list[dict[str, str]], name: str) -> Iterator[str]:
    """Yield the values of a column, each once."""
    yield from dict.fromkeys(one[name] for one in records)
