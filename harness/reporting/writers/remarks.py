"""What a reader must know about numbers: what is empty, missing, unreadable or a stand-in."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.types import Benchmark, LLMJudge, Scorecard
from harness.reporting.compare import MOST_UNREADABLE, too_unreadable
from harness.reporting.words import metric_name

SHOWN = 3
"""Metrics that a sentence names."""
LOUD = 0.5
"""Share of empty or missing answers from which on the numbers say little of the model."""


def remarks(benchmark: Benchmark[Any], card: Scorecard) -> list[str]:
    """Return sentences on answers, replies and stand-ins, those of `warnings` first."""
    loud, quiet = _answers(card)
    return [*loud, *quiet, *_replies(benchmark, card)]


def warnings(card: Scorecard) -> list[str]:
    """Return the sentences without which the numbers would mislead."""
    return _answers(card)[0]


def _answers(card: Scorecard) -> tuple[list[str], list[str]]:
    """Return sentences on answers that are empty or missing: loud ones, and the others."""
    empty, missing = card.counts.get("empty", 0), card.counts.get("missing", 0)
    given = card.counts["samples"]
    whole = given + missing
    sentences = {
        f"{empty} of {given} answers {_are(empty)} empty and scored as such.": empty / given,
        f"{missing} of {whole} samples {_are(missing)} not answered: the numbers are those of the "
        f"other {given}.": missing / whole,
    }
    loud = [text for text, share in sentences.items() if share > LOUD]
    warned = [f"{text} These numbers say little of the model." for text in loud]
    return warned, [text for text, share in sentences.items() if 0 < share <= LOUD]


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def by_run(runs: Mapping[str, Sequence[float]]) -> list[str]:
    """Say what came out of each run of the judge, if anything is known of it."""
    if not runs:
        return []
    values = (f"{metric_name(name)} {', '.join(map(shown, of))}" for name, of in runs.items())
    return [f"By run of the judge: {'; '.join(values)}."]


def _replies(benchmark: Benchmark[Any], card: Scorecard) -> list[str]:
    """Return sentences on failed calls, unreadable replies and stand-ins, where there are any."""
    counts = card.counts
    failed = counts.get("failed", 0)
    unread = counts["unscored"] - failed
    sentences = []
    if failed:
        sentences.append(
            f"{failed} of {counts['samples']} replies are calls that failed for good. The "
            "published script would not have come to its end, so there is no official number: "
            "ask again."
        )
    if is_withheld(benchmark, card):
        sentences.append(
            f"{counts['unscored'] / counts['samples']:.0%} of the judge's replies say nothing: "
            f"with more than {MOST_UNREADABLE:.0%} of them there is no number to show. What the "
            "published script would print stands in `score --json`."
        )
    if unread:
        sentences.append(
            f"{unread} of {counts['samples']} replies {benchmark.unreadable}.{_effect(card)}"
        )
    return sentences + [text for part, text in benchmark.caveats.items() if part in card.judge]


def is_withheld(benchmark: Benchmark[Any], card: Scorecard) -> bool:
    """Tell whether a judge could be read too seldom for a number."""
    return isinstance(benchmark.annotator, LLMJudge) and too_unreadable(
        card.counts["unscored"], card.counts["samples"]
    )


def _effect(card: Scorecard) -> str:
    """Say which numbers change when these are left out; nothing where there are none."""
    if not card.official:
        return " The careful numbers leave them out."
    changed = {
        name: (value, card.careful.get(name))
        for name, value in card.official.items()
        if value != card.careful.get(name)
    }
    if not changed:
        return " No number changes without them."
    more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return f" Without them: {_numbers(changed)}{more}."


def _numbers(changed: Mapping[str, tuple[float, float | None]]) -> str:
    return ", ".join(
        f"{metric_name(name)} {'none' if careful is None else shown(careful)} instead of "
        f"{shown(official)}"
        for name, (official, careful) in list(changed.items())[:SHOWN]
    )


def shown(value: float) -> str:
    """Return the number as the published scripts print it; their numbers are rounded already."""
    return str(round(value, 4))
