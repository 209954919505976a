"""Talk to the user: results on stdout, messages and progress on stderr."""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

PIPE_WIDTH = 160
"""Columns of a table that goes into a file or a pipe, where nobody's window is the limit."""
PLAIN_INTERVAL_S = 15.0
"""Seconds between progress lines where no bar can be drawn."""

_TIME = len("00:00:00")
_LEAST_BAR = 4
_NARROW = 16
"""Columns for description, bar and note together, below which the description has them alone."""

messages = Console(stderr=True, highlight=False, soft_wrap=True)
HAS_WIDTH = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
"""Whether somebody's window, or COLUMNS, limits a table."""
results = Console(highlight=False, width=None if HAS_WIDTH else PIPE_WIDTH)


class Tracker(Protocol):
    """Progress of one piece of work."""

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count work done; a note (`loss 0.61`) replaces the one before."""


@contextmanager
def track(description: str, total: float | None = None) -> Iterator[Tracker]:
    """Show the progress of a piece of work: a bar on a terminal, now and then a line elsewhere."""
    if not draws_over():
        lines = _Lines(description, total)
        lines.show()
        yield lines
        lines.show()
        return
    with Progress(*_columns(description, total), console=messages) as progress:
        yield _Bar(progress, progress.add_task(description, total=total, note=""))


def draws_over() -> bool:
    """Say whether what was drawn on stderr can be drawn over: a pipe or a log keeps all of it."""
    # Not `is_terminal`: FORCE_COLOR makes that true of a file.
    return sys.stderr.isatty() and not messages.is_dumb_terminal


def _columns(description: str, total: float | None) -> list[ProgressColumn]:
    """Return the parts of a bar; in a narrow window count and time stay whole."""
    count = MofNCompleteColumn(table_column=Column(no_wrap=True))
    times = [
        kind(table_column=Column(no_wrap=True)) for kind in (TimeElapsedColumn, TimeRemainingColumn)
    ]
    counted = 2 * len(f"{total or 0:g}") + 1
    room = messages.width - counted - 2 * _TIME - 5
    bar = _LEAST_BAR if room >= _NARROW else 0
    told = max(1, min(len(description), room - bar))
    columns: list[ProgressColumn] = [_text("{task.description}", told), count, *times]
    if bar:
        columns.insert(1, BarColumn())
    if room - bar > told:
        columns.append(_text("{task.fields[note]}", room - bar - told))
    return columns


def _text(form: str, width: int) -> TextColumn:
    return TextColumn(form, table_column=Column(no_wrap=True, overflow="ellipsis", max_width=width))


@dataclass(frozen=True)
class _Bar:
    progress: Progress
    task: TaskID

    def advance(self, amount: float = 1, note: str = "") -> None:
        if note:
            self.progress.update(self.task, note=note)
        self.progress.advance(self.task, amount)


@dataclass
class _Lines:
    description: str
    total: float | None
    done: float = 0
    note: str = ""
    shown: float = field(default_factory=time.monotonic)

    def advance(self, amount: float = 1, note: str = "") -> None:
        self.done += amount
        self.note = note or self.note
        if time.monotonic() - self.shown >= PLAIN_INTERVAL_S:
            self.show()

    def show(self) -> None:
        of = "" if self.total is None else f"/{self.total:g}"
        messages.print(f"{self.description}: {self.done:g}{of} {self.note}".rstrip(), markup=False)
        self.shown = time.monotonic()


def print_table(title: str, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a table whose cells wrap."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*titles, title=title)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    results.print(table)


def print_questions(questions: Sequence[str]) -> None:
    """Print what no source settles about the values of a run."""
    if questions:
        print_table("open questions", ("no source settles",), [[text] for text in questions])


# C0 and C1 controls, invisible marks that turn the direction of writing, halves of surrogate pairs.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Return text that a terminal shows and never obeys: controls stand as `\x1b`."""
    return UNPRINTABLE.sub(lambda match: ascii(match.group())[1:-1], text)
