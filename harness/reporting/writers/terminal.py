"""Scorecards and items for people: tables on stdout that a pager can take."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmarks.types import Benchmark, Sample, Scorecard, Unscored
from harness.console import print_table, results, visible
from harness.evaluation.items import Item, plain
from harness.reporting.compare import Column, Comparison, Row
from harness.reporting.words import MISSING
from harness.reporting.writers.markdown import cell_text
from harness.reporting.writers.remarks import by_run, is_withheld, remarks, shown, warnings

CHUNK = 200
"""Items that are laid out together; their columns do not depend on what is in them."""
REPLY, ANSWER = 240, 1200
"""Characters shown of a judge's reply and of an answer; `--json` gives all of them."""
BAD = "bold red"
_ANY = 10_000
"""Columns of a window that any table fits into."""


def print_scorecard(
    benchmark: Benchmark[Any],
    card: Scorecard,
    runs: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> None:
    """Print every metric as the published script counts and over readable replies only.

    Args:
        benchmark: What was scored.
        card: Its numbers.
        runs: What the published script prints beside them, for each run of the judge.
    """
    columns = ({}, {}) if is_withheld(benchmark, card) else (card.official, card.careful)
    rows = [
        (name, *(shown(column[name]) if name in column else "-" for column in columns))
        for name in dict.fromkeys([*card.official, *card.careful])
    ]
    title = visible(f"{card.benchmark}, {card.judge or 'no judge'}")
    print_table(title, ("metric", "official", "careful"), rows)
    results.print(", ".join(f"{count} {name}" for name, count in card.counts.items()))
    loud = warnings(card)
    for sentence in [*remarks(benchmark, card), *by_run(runs)]:
        results.print(sentence, markup=False, style="bold" if sentence in loud else None)


def print_items(items: Iterable[Item]) -> None:
    """Print one row per item: question and reference, answer, what was found, and the replies."""
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        table = Table("id", "question, answer", "found", "replies", show_lines=True, expand=True)
        for column, ratio in zip(table.columns, (2, 8, 6, 5), strict=True):
            column.ratio = ratio
            column.overflow = "fold"
        for item in chunk:
            table.add_row(*_cells(item))
        results.print(table)


def _cells(item: Item) -> tuple[Text, Text, Text, Text]:
    found, bad = _found(item.score)
    answer = Text(visible(_short(item.response.text, ANSWER)) or "(empty)")
    answer.highlight_words(bad, style=BAD, case_sensitive=False)
    name = "\n".join(filter(None, (str(item.sample.id), item.sample.category)))
    replies = "\n".join(_short(reply, REPLY) for reply in item.replies.judge)
    # In one cell: a column more would leave the others too narrow for a terminal.
    asked = _question(item.sample).append("\n\n").append_text(answer)
    return Text(visible(_short(name, REPLY))), asked, found, Text(visible(replies))


def _question(sample: Sample) -> Text:
    """Return the question, and below it the reference by the names that its benchmark gives it."""
    text = Text(visible(_short(sample.question, REPLY)))
    for name, value in plain(sample.reference).items():
        values = value.values() if isinstance(value, dict) else [value]
        if told := _words(values):
            text.append(visible(f"\n{name}: "), style="bold")
            text.append(visible(_short(told, REPLY)))
    return text


def _found(score: Any) -> tuple[Text, list[str]]:
    """Return the fields of a score, and the words of those that are called hallucinated."""
    if isinstance(score, Unscored):
        text = Text(visible(f"unscored: {score.reason}"), style="yellow")
        if score.counted_as is not None:
            text.append(f"\ncounted as: {_words(_fields(score.counted_as).values())}")
        return text, []
    fields = _fields(score)
    text = Text()
    bad: list[str] = []
    for name, value in fields.items():
        wrong = name == "hallucinated" or value in ("wrong", "hallucinated")
        line = visible(_words([value])) or "-"
        text.append(f"{name}: ", style="bold")
        text.append(f"{line}\n", style=BAD if wrong and line != "-" else "")
        if name == "hallucinated" and isinstance(value, list):
            bad += [str(word) for word in value]
    text.rstrip()
    return text, bad


def _fields(score: Any) -> Mapping[str, Any]:
    """Return the fields of a score as JSON; a score of another kind stands alone."""
    value = plain(score)
    return value if isinstance(value, dict) else {"score": value}


def _words(values: Iterable[Any]) -> str:
    return ", ".join(_flat(values))


def _flat(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        elif value != "":
            yield str(value)


def _short(text: str, length: int) -> str:
    """Cut a text, and say of how many characters."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


def select(items: Sequence[Item], ids: Sequence[str], limit: int | None) -> list[Item]:
    """Return the items with these ids (text or number), and not more than `limit` of them."""
    wanted = set(ids)
    chosen = (item for item in items if not wanted or str(item.sample.id) in wanted)
    return list(islice(chosen, limit))


def rich_table(
    comparison: Comparison, title: str = "Comparison", width: int | None = None
) -> Table:
    """Return the rows of runs; turned over where they are wider than a window or `width`."""
    runs = [escape(row.label) for row in comparison.rows]
    metrics = [column.header for column in comparison.columns]
    cells = [
        [_shown(comparison, row, column) for column in comparison.columns]
        for row in comparison.rows
    ]
    full = escape(f"{title}, size {comparison.size}")
    wide = _table(full, "Method", metrics, runs, cells)
    room = width or results.width
    if results.measure(wide, options=results.options.update(max_width=_ANY)).maximum <= room:
        return wide
    return _table(full, "Metric", runs, metrics, list(zip(*cells, strict=True)))


def _shown(comparison: Comparison, row: Row, column: Column) -> str:
    cell = row.cells.get(column)
    text = cell_text(cell, column.metric.unit, len(row.runs)) if cell else MISSING
    return f"[bold]{text}[/bold]" if comparison.is_best(row, column) else text


def _table(
    title: str,
    corner: str,
    heads: Sequence[str],
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
) -> Table:
    table = Table(title=title)
    table.add_column(corner)
    for head in heads:
        table.add_column(head, justify="right", overflow="fold")
    for name, line in zip(names, cells, strict=True):
        table.add_row(name, *line)
    return table
