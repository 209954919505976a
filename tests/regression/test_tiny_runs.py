"""Runs of every method and variant on the tiny world against the numbers in expected.csv.

Those are the official numbers of the committed table, which every run here writes anew.

On a CPU that adds in the order of the one that wrote them, the base model is the same to the last
digit. There a new number must lie within the committed mean ± max(4 standard deviations over the
seeds, a floor). Four, because the deviation of three seeds is itself uncertain by half; the floor
is there for metrics on which three seeds happen to agree.

On another CPU the base model, and with it the pairs, are drawn anew. There the base model's
numbers, and what a method changes of them, may differ by what two draws differ by: 3 standard
errors of the difference of two means over the benchmark's samples. That is much for a benchmark of
60 questions, so a method must also do everywhere what it is for: cut the hallucinations of its own
base model by a fifth at least, and keep most of the recall.
"""

import csv
import math
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
DESCRIPTIONS = 150
"""Samples of AMBER that its rates of hallucination are of; the others are yes-or-no questions."""
DEVIATION = {"percent": 50.0, "points": 50.0, "score": 3.0}
"""Most that the scores of single samples can deviate: half of the range of the unit."""
ERRORS = 3
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


def tolerance(seeds, unit, samples, same_draw):
    """Return how far a number may be from the mean over the committed seeds."""
    if same_draw:
        spread = statistics.stdev(seeds) if len(seeds) > 1 else 0.0
        return max(DEVIATIONS * spread, FLOOR[unit])
    return ERRORS * DEVIATION[unit] * math.sqrt(2 / samples)


def far_off(found, expected, samples, same_draw):
    """Describe each headline metric that lies outside its tolerance.

    The committed numbers are those of one seed or several, the new ones of one.
    """
    for metric, unit in headline().items():
        seeds = list(expected[metric].values())
        mean = statistics.mean(seeds)
        allowed = tolerance(seeds, unit, samples[metric[0]], same_draw)
        (number,) = found[metric].values()
        if not abs(number - mean) <= allowed:
            yield f"{'/'.join(metric)}: {number:g}, expected {mean:.2f} ± {allowed:.2f}"


def above(base, numbers):
    """Return numbers less those of their base model."""
    (seed,) = {seed for metric in headline() for seed in base[metric]}
    return {
        metric: {one: value - base[metric][seed] for one, value in numbers[metric].items()}
        for metric in headline()
    }


@pytest.fixture(scope="module")
def committed():
    return official(EXPECTED)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """One folder for all runs, so that the base model is evaluated once."""
    return tmp_path_factory.mktemp("results")


def reproduced(out, method, variant):
    """Run one method with seed 0; return the file of all numbers of the comparison."""
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
    return out / "tables" / "comparison-tiny.csv"


def samples_of(file):
    """Benchmark -> number of its samples."""
    with file.open(encoding="utf-8") as lines:
        samples = {row["benchmark"]: int(row["samples"]) for row in csv.DictReader(lines)}
    return samples | {"amber": DESCRIPTIONS}


@pytest.mark.parametrize(("method", "variant"), METHODS)
def test_a_new_run_gives_the_committed_numbers(out, committed, method, variant):
    table = reproduced(out, method, variant)
    found, samples = official(table), samples_of(table)
    base, run = found["base", ""], found[method, variant]
    base_then, runs_then = committed["base", ""], committed[method, variant]
    same_draw = base == base_then
    assert list(far_off(base, base_then, samples, same_draw)) == []
    changed, changed_then = above(base, run), above(base_then, runs_then)
    assert list(far_off(changed, changed_then, samples, same_draw)) == []
    assert run[HALLUCINATION]["0"] <= 0.8 * base[HALLUCINATION]["0"]
    assert run[RECALL]["0"] >= base[RECALL]["0"] - 10


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
