"""How long the answers of all runs are."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, quantiles

from harness.errors import DataError
from harness.report.answers import responses_in, unreadable
from harness.report.charts import Chart, Series, in_words
from harness.report.gather import Model
from harness.report.svg import Dot, DotRow, dots
from harness.reporting.words import benchmark_name

Words = Mapping[str, Mapping[str, Sequence[Sequence[int]]]]
"""Benchmark -> label -> of every run the number of words of each answer."""
_NOTE = (
    "Mean number of words over the runs of a method; where there are several, the line spans from "
    "the run that says least to the one that says most. A method that says less has less to be "
    "wrong about."
)


def words_of(models: Iterable[Model], faults: list[str]) -> Words:
    """Count the words of all answers; the faults get a line for what cannot be read."""
    found: dict[str, dict[str, list[list[int]]]] = {}
    for model in models:
        for name, judged in model.judged.items():
            try:
                counts = [len(one.split()) for one in responses_in(judged.folder)]
            except DataError as error:
                faults.append(unreadable(judged, error))
                continue
            if counts:
                found.setdefault(name, {}).setdefault(model.result.label, []).append(counts)
    return found


def lengths(words: Words, order: Iterable[str], series: Series) -> Chart | None:
    """Return how many words an answer has, by benchmark and method.

    Args:
        words: Of all runs.
        order: That of the benchmarks.
        series: Colour and mark of every method.
    """
    rows = [
        DotRow(
            benchmark_name(name),
            [
                _dot(series[label], label, runs)
                for label, runs in sorted(words[name].items(), key=lambda one: series[one[0]])
            ],
        )
        for name in order
        if name in words
    ]
    if not rows:
        return None
    title = "Length of the answers"
    return Chart(title, dots(rows, "words", in_words(title, rows), zero=True), _NOTE)


def _dot(number: int, label: str, runs: Sequence[Sequence[int]]) -> Dot:
    """Return the mean of a method's runs, its words with the middle half of all answers."""
    means = [fmean(counts) for counts in runs]
    every = [count for counts in runs for count in counts]
    low, _, high = quantiles(every if len(every) > 1 else every * 2, n=4, method="inclusive")
    mean, several = fmean(means), len(means) > 1
    told = f"{label}: {mean:.1f} words, "
    told += f"{min(means):.1f} to {max(means):.1f} in {len(means)} runs, " if several else ""
    told += f"the middle half of the answers {low:.0f} to {high:.0f}"
    low_run, high_run = (min(means), max(means)) if several else (None, None)
    return Dot(number, mean, low_run, high_run, told)
