"""A judge's card as Markdown, and as a table in the terminal."""

from collections.abc import Iterator
from pathlib import Path

from harness.console import print_table, results, visible
from harness.files.atomic import write_text
from harness.reporting.judge_card.card import Card, Entry
from harness.reporting.judge_card.found import Interval
from harness.reporting.words import MISSING, benchmark_name, escaped, grid, metric_name

HEADERS = (
    "answers",
    "graded",
    "bias",
    "mean abs. error",
    "of the other with itself",
    "rank corr.",
    "verdicts alike",
    "unreadable",
)
NOTES = (
    "Grades are the benchmark's own: MM-Vet 0 to 1, LLaVA-Bench 1 to 10 of the model's answer, "
    "MMHal-Bench 0 to 6.",
    "Bias: mean of the judge's grade less the other's. Intervals: 95 %, bootstrap over answers.",
    "Of the other with itself: mean absolute difference of two of its runs, the least error that "
    "can be asked for.",
)


def card_markdown(card: Card) -> str:
    """Return the whole document."""
    rows = [[escaped(cell) for cell in _row(entry)] for entry in card.entries]
    totals = [f"- {escaped(line)}" for entry in card.entries for line in _totals(entry)]
    judges = [f"- {escaped(line)}" for line in judges_of(card)]
    return (
        "\n\n".join(
            [
                f"# Judge card: {escaped(card.asked)}",
                f"Made {card.made:%Y-%m-%d %H:%M} UTC, beside: {escaped(card.against)}.",
                grid(HEADERS, rows),
                "\n".join(f"- {note}" for note in NOTES),
                "## What the published scripts print",
                "\n".join(totals),
                "## Judges",
                "\n".join(judges),
            ]
        )
        + "\n"
    )


def write_card(card: Card) -> Path:
    """Keep a card beside the replies, as JSON and as Markdown; return the Markdown file."""
    document = card.write().with_suffix(".md")
    write_text(document, card_markdown(card))
    return document


def print_card(card: Card, file: Path) -> None:
    """Print the card, turned over: one column for each model whose answers were graded."""
    columns = [_row(entry) for entry in card.entries]
    titles = [visible(column[0]) for column in columns]
    rows = [
        (name, *(visible(column[place]) for column in columns))
        for place, name in enumerate(HEADERS)
        if place
    ]
    print_table(f"judge card: {visible(card.asked)}", ("", *titles), rows)
    for line in (*judges_of(card), f"kept: {file}"):
        results.print(visible(line), markup=False)


def judges_of(card: Card) -> Iterator[str]:
    """Yield who judged what, as scorecards name them."""
    for entry in card.entries:
        yield f"{benchmark_name(entry.benchmark)}, {entry.model}: {entry.judge}; {entry.other}"


def _row(entry: Entry) -> tuple[str, ...]:
    found = entry.agreement
    return (
        f"{benchmark_name(entry.benchmark)}, {entry.model}",
        str(entry.answers),
        _shown(found.bias, "+.3f"),
        _shown(found.error, ".3f"),
        _shown(entry.itself.error, ".3f") if entry.itself else MISSING,
        _shown(found.rank, ".2f"),
        _shown(found.verdicts, ".0%"),
        str(entry.unreadable),
    )


def _shown(value: Interval, form: str) -> str:
    if value.value is None or value.low is None or value.high is None:
        return MISSING
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"


def _totals(entry: Entry) -> Iterator[str]:
    for name, value in entry.totals.items():
        other = entry.other_totals.get(name)
        beside = "" if other is None else f", the other {other}"
        yield (
            f"{benchmark_name(entry.benchmark)}, {entry.model}, {metric_name(name)}: "
            f"{value}{beside}"
        )
