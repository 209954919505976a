"""A column of a judge that cannot be read shows no number."""

import dataclasses

from benchmarks.types import Scorecard
from harness.registry import load_benchmark
from harness.reporting.compare import RunResult, compare
from harness.reporting.writers.markdown import comparison_markdown
from harness.reporting.writers.run_table import run_markdown
from harness.reporting.writers.terminal import print_scorecard


def card(benchmark, metric, unscored, samples=100):
    counts = {"samples": samples, "scored": samples - unscored, "unscored": unscored, "empty": 0}
    return Scorecard(benchmark, "official", "a", "d", {metric: 77.7}, {metric: 66.6}, counts)


def tables(name, metric, unscored):
    benchmark = load_benchmark(name)
    runs = [
        RunResult(label, label, None, "tiny", 0, {name: card(name, metric, count)})
        for label, count in (("base", 0), ("dpo", unscored))
    ]
    comparison = compare(runs, "tiny", [benchmark])
    whole = comparison_markdown(comparison, [benchmark])
    row = next(line for line in whole.splitlines() if line.startswith("| dpo"))
    return row, run_markdown(comparison.rows[1], "tiny", [benchmark]), whole


def test_a_share_of_unreadable_replies_above_the_bound_hides_the_number():
    row, own, whole = tables("mm_vet", "total", 11)
    assert "77.7" not in row
    assert "66.6" not in row
    assert "— (11% unreadable)" in row
    assert "77.7" not in own.partition("- judge")[0]
    assert "more than 10% of the judge's replies" in whole
    assert "11 of 100 replies unreadable" in whole


def test_up_to_the_bound_the_number_counts_as_published():
    row, own, _ = tables("mm_vet", "total", 10)
    assert "77.7 †" in row
    assert "77.7" in own


def test_an_answer_that_is_neither_yes_nor_no_hides_nothing():
    """AMBER asks no judge: what is unscored there is the model's own answer."""
    assert "77.7 †" in tables("amber", "f1", 90)[0]


def test_a_number_that_is_withheld_is_never_the_best():
    row, _, whole = tables("mm_vet", "total", 50)
    assert "**" not in row
    assert "**" not in whole.partition("| base")[2].partition("\n")[0]


def test_the_scorecard_shows_the_share_instead(capsys):
    benchmark = load_benchmark("mm_vet")
    scorecard = card("mm_vet", "total", 50)
    print_scorecard(benchmark, scorecard)
    out = capsys.readouterr().out
    assert "77.7" not in out.partition("Without")[0]
    assert "50% of the judge's replies say nothing" in out
    fine = dataclasses.replace(scorecard, counts=card("mm_vet", "total", 1).counts)
    print_scorecard(benchmark, fine)
    assert "77.7" in capsys.readouterr().out
