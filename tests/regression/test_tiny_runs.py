"""Runs of every method and variant on the tiny world against the numbers in expected.csv.

Those are the official numbers of the committed table, which every run here writes anew.

A new number must lie within the committed mean ± max(4 standard deviations over the seeds, a
floor). Four, because the deviation of three seeds is itself uncertain by half. The floor is there
for metrics on which three seeds happen to agree, and for CPUs that add in another order: a run on
one of them is another draw of the same experiment, with the base model and the pairs drawn anew.
So this finds what breaks a method, and not a change in the last digit.
"""

import csv
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from harness.registry import load_benchmark

ROOT = Path(__file__).parents[2]
EXPECTED = Path(__file__).with_name("expected.csv")
BENCHMARKS = ("object_halbench", "amber", "mmhal", "llava_bench", "mm_vet")
METHODS = (
    *(("dpo", ""), ("rlhf_v", ""), ("dama", "")),
    *(("rlhf_v", "released"), ("dama", "released")),
)
SEEDS = {"0", "1", "2"}
DEVIATIONS = 4
FLOOR = {"percent": 6.0, "points": 6.0, "score": 0.4}
"""Smallest tolerance by unit of the metric."""
HALLUCINATION = ("object_halbench", "response_hallucination")
RECALL = ("object_halbench", "recall")

pytestmark = [pytest.mark.world, pytest.mark.processes, pytest.mark.timeout(1800)]


def official(file):
    """Method and variant -> (benchmark, metric) -> seed -> number."""
    table = {}
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row.get("kind", "official") == "official":
                numbers = table.setdefault((row["method"], row["variant"]), {})
                seeds = numbers.setdefault((row["benchmark"], row["metric"]), {})
                seeds[row["seed"]] = float(row["value"])
    return table


def headline():
    """(benchmark, metric) -> its unit, for all columns of the comparison."""
    return {
        (name, metric.name): metric.unit
        for name in BENCHMARKS
        for metric in load_benchmark(name).metrics
        if metric.headline
    }


def far_off(found, expected):
    """Describe each headline metric that lies outside its tolerance."""
    for metric, unit in headline().items():
        seeds = list(expected[metric].values())
        mean = statistics.mean(seeds)
        spread = statistics.stdev(seeds) if len(seeds) > 1 else 0.0
        tolerance = max(DEVIATIONS * spread, FLOOR[unit])
        (number,) = found[metric].values()
        if abs(number - mean) > tolerance:
            yield f"{'/'.join(metric)}: {number:g}, expected {mean:.2f} ± {tolerance:.2f}"


@pytest.fixture(scope="module")
def committed():
    return official(EXPECTED)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """One folder for all runs, so that the base model is evaluated once."""
    return tmp_path_factory.mktemp("results")


def reproduced(out, method, variant):
    """Run one method with seed 0; return all numbers of the comparison."""
    arguments = ["--method", method, "--size", "tiny", "--out", str(out)]
    arguments += ["--variant", variant] if variant else []
    done = subprocess.run(
        [sys.executable, "-m", "harness", "reproduce", *arguments],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return official(out / "tables" / "comparison-tiny.csv")


@pytest.mark.parametrize(("method", "variant"), METHODS)
def test_a_new_run_gives_the_committed_numbers(out, committed, method, variant):
    found = reproduced(out, method, variant)
    assert list(far_off(found[method, variant], committed[method, variant])) == []
    assert list(far_off(found["base", ""], committed["base", ""])) == []


def test_the_committed_table_holds_all_methods_with_three_seeds(committed):
    assert set(committed) == {("base", ""), *METHODS}
    for name, numbers in committed.items():
        assert headline().keys() <= numbers.keys()
        wanted = {"0"} if name == ("base", "") else SEEDS
        assert {frozenset(seeds) for seeds in numbers.values()} == {frozenset(wanted)}


def mean(committed, method, metric):
    return statistics.mean(committed[method, ""][metric].values())


def test_the_base_model_hallucinates(committed):
    """In at least 35 percent of its responses."""
    assert mean(committed, "base", HALLUCINATION) >= 35


@pytest.mark.parametrize("method", ["dpo", "rlhf_v", "dama"])
def test_a_method_cuts_hallucination_by_two_fifths_and_keeps_recall(committed, method):
    """By 40 percent of the base model's rate, while recall falls by 5 points at most."""
    before = mean(committed, "base", HALLUCINATION)
    assert mean(committed, method, HALLUCINATION) <= 0.6 * before
    assert mean(committed, method, RECALL) >= mean(committed, "base", RECALL) - 5
