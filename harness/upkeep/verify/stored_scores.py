"""A scorecard from the stored scores of its items, where the benchmark's files are not here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.types import FAILED_CALL, Benchmark, LLMJudge, Scorecard
from harness.errors import DataError, in_words
from harness.files.jsonlines import Row


def card_of_items(benchmark: Benchmark[Any], card: Scorecard, rows: Sequence[Row]) -> Scorecard:
    """Return a scorecard with the numbers that the stored scores add up to.

    How many samples were not answered, only the benchmark's files say: that is taken as it is.

    Raises:
        DataError: An item is damaged, or the benchmark does not say how its scores are read back.
    """
    if benchmark.sums is None:
        raise DataError(
            f"the numbers are not recomputed: the data are not here, and {benchmark.name} does not "
            "say how stored scores are read. Name the data with --data"
        )
    stored = benchmark.sums.stored
    try:
        careful = [stored(row["score"]) for row in rows if "score" in row]
        official = [_counted(benchmark, row) for row in rows]
        refused = sum(_refused(benchmark, row) for row in rows)
        numbers: Mapping[str, float] = {} if refused else benchmark.aggregate(official)
        counts = {
            "samples": len(rows),
            "scored": len(careful),
            "unscored": len(rows) - len(careful),
            "empty": sum(not row["response"].strip() for row in rows),
        }
        careful_numbers = benchmark.aggregate(careful)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"the stored items cannot be read ({in_words(error)})") from error
    more = {"failed": refused, "missing": card.counts.get("missing", 0)}
    counts |= {name: count for name, count in more.items() if count}
    return replace(card, official=numbers, careful=careful_numbers, counts=counts)


def _counted(benchmark: Benchmark[Any], row: Row) -> Any:
    """Return the score as the published script counts it."""
    kept = row["score"] if "score" in row else row.get("counted_as")
    if kept is None or benchmark.sums is None:
        return benchmark.fallback
    return benchmark.sums.stored(kept)


def _refused(benchmark: Benchmark[Any], row: Row) -> bool:
    annotator, replies = benchmark.annotator, list(row.get("replies") or [])
    if "score" in row or not isinstance(annotator, LLMJudge):
        return False
    return FAILED_CALL in replies[-1 - (annotator.tagger is not None) :]
