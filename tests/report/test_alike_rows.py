"""The charts of a report join rows over the worlds and seeds that both have, and nothing else."""

from dataclasses import replace

from benchmarks.types import Scorecard
from harness.registry import load_benchmark
from harness.report import charts
from harness.report.apart import differences_of
from harness.reporting.compare import RunResult, compare

BENCHMARKS = [load_benchmark("mm_vet")]


def run(label, world, total, seed=0):
    counts = {"samples": 1, "scored": 1, "unscored": 0, "empty": 0}
    card = Scorecard("mm_vet", "official", "x", f"sha256:{world}", {"total": total}, {}, counts)
    result = RunResult(label, label, None, "tiny", seed, {"mm_vet": card})
    return replace(result, world=world)


def drawn(runs):
    comparison = compare(runs, "tiny", BENCHMARKS)
    series = {row.label: place for place, row in enumerate(comparison.rows)}
    found, _ = differences_of(comparison)
    forest = [chart.svg for chart in charts.forest(comparison, found, series)]
    profile = charts.profile(comparison, series)
    return "".join(forest), profile.svg if profile else ""


def test_a_row_of_one_world_is_drawn_against_the_base_model_of_that_world():
    """50 against 40 there, so 10 points and 25 % above; the base model's mean is 60."""
    forest, profile = drawn([run("base", 0, 40.0), run("base", 1, 80.0), run("dama", 0, 50.0)])
    assert "dama: +10.0" in forest
    assert "dama: 25.0 % better" in profile


def test_a_row_of_another_world_than_the_base_model_is_not_drawn():
    forest, profile = drawn([run("base", 0, 40.0), run("dama", 1, 50.0)])
    assert "dama:" not in forest + profile
