"""Open the pairs that a specification selects, checked."""

from pathlib import Path

from harness.console import messages
from harness.data.pairs.checks import Reader, check_pairs
from harness.data.pairs.preferences import Advance, Preferences
from harness.data.pairs.subset import check_count
from harness.settings.spec import DataSpec


def selected_pairs(spec: DataSpec, advance: Advance = lambda rows: None) -> Preferences:
    """Open the pairs that a specification selects; none is checked, but their number is.

    Raises:
        DataError: There is no such data, or not as many as expected.
        MissingColumn: It has another schema.
    """
    pairs = Preferences(spec.preferences, spec.where, advance, spec.format)
    check_count(spec.preferences, pairs.selection, spec.expected_pairs)
    return pairs


def open_preferences(
    spec: DataSpec,
    advance: Advance = lambda pairs: None,
    columns: frozenset[str] = frozenset(),
    report: Path | None = None,
    reader: Reader | None = None,
) -> Preferences:
    """Open the pairs of a specification without those that cannot be used.

    The check is done once and remembered, so that all processes of a run see the same pairs, if
    they name the same `columns` (those a method needs) and `reader` (the model's tokenizer).
    `report` is a folder that receives `bad-rows.jsonl` and `bad-rows-summary.json` where there are
    bad rows; what is only counted is then told.

    Raises:
        DataError: There are more of them than `max_bad_rows`, or `selected_pairs` failed.
    """
    pairs = selected_pairs(spec)
    found = check_pairs(pairs, columns, advance, reader)
    if report:
        for note in found.notes():
            messages.print(note, markup=False)
    if not found.bad:
        return pairs
    result = found.copy_to(report) if report else found
    result.refuse_more_than(spec.max_bad_rows, spec.preferences)
    return pairs.without(row.row for row in result.bad_rows())


def validate(pairs: Preferences, advance: Advance = lambda pairs: None) -> None:
    """Check every pair; `advance` is told of each one.

    Raises:
        DataError: Some pairs cannot be trained on; the message lists them with reasons.
    """
    check_pairs(pairs, advance=advance).refuse_more_than(0, pairs.source)
