"""Runs on the tiny worlds against the committed comparison, which is of the shipped ones.

On a shipped world a run gives the committed numbers, digit by digit, on any processor. A world that
is built on the spot is another draw: there the base model must lie within the bounds that are
stated in docs/tiny-world.md, and a method must do what it is for.
"""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "tiny"
OWN = (("dpo", ""), ("rlhf_v", ""), ("dama", ""))
RELEASED = (("rlhf_v", "released"), ("dama", "released"))
"""Committed of world 0 alone."""
WORLDS, SEEDS = ("0", "1", "2"), ("0", "1", "2")
FIRST, ALL_WORLDS = (RESULTS / f"comparison-tiny{suffix}.csv" for suffix in ("", "-worlds-0-1-2"))
HALLUCINATION = ("object_halbench", "response_hallucination")
RECALL = ("object_halbench", "recall")
BOUNDS = {
    HALLUCINATION: (35, 60),
    RECALL: (70, 100),
    ("amber", "attribute/accuracy"): (60, 100),
    ("amber", "existence/accuracy"): (75, 100),
}
"""Of the base model of any world, in percent."""

pytestmark = [pytest.mark.world, pytest.mark.processes, pytest.mark.timeout(3600)]

Numbers = dict[tuple[str, str], float]


def official(file: Path) -> dict[tuple[str, str, str, str], Numbers]:
    """Method, variant, world and seed -> benchmark and metric -> number."""
    table: dict[tuple[str, str, str, str], Numbers] = {}
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["kind"] == "official":
                run = (row["method"], row["variant"], row["world"], row["seed"])
                table.setdefault(run, {})[row["benchmark"], row["metric"]] = float(row["value"])
    return table


@pytest.fixture(scope="module")
def committed():
    """All runs of both tables; those that stand in both are the same."""
    first, all_worlds = map(official, (FIRST, ALL_WORLDS))
    assert all(all_worlds.get(run, numbers) == numbers for run, numbers in first.items())
    return first | all_worlds


def harness(*words):
    """Run a command that ends well; return what it printed."""
    command = [sys.executable, "-m", "harness", *words]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def outside(base: Numbers):
    """Describe the numbers of a base model that lie outside their bounds."""
    for metric, (low, high) in BOUNDS.items():
        if not low <= base[metric] <= high:
            yield f"{'/'.join(metric)}: {base[metric]:g}, not from {low} to {high}"


@pytest.mark.parametrize(
    ("methods", "variant"), [("dpo,rlhf_v,dama", ()), ("rlhf_v,dama", ("--variant", "released"))]
)
def test_a_new_run_gives_the_committed_numbers(methods, variant):
    told = harness("regress", "--train", "--methods", methods, "--seeds", "0", *variant)
    found = re.search(r"(\d+) numbers of (\d+) runs .*: 0 moved", told)
    assert found, told
    numbers, runs = map(int, found.groups())
    assert runs == 1 + len(methods.split(","))
    assert numbers > 100 * runs


def test_a_world_built_on_the_spot_is_of_the_same_kind(tmp_path):
    """Its base model within the bounds, and DPO cuts a tenth of what it hallucinates, or more."""
    harness("reproduce", "--method", "dpo", "--worlds", "3", "--out", str(tmp_path))
    found = official(tmp_path / "tables" / "comparison-tiny-worlds-3.csv")
    base, run = found["base", "", "3", "0"], found["dpo", "", "3", "0"]
    assert list(outside(base)) == []
    assert run[HALLUCINATION] <= 0.9 * base[HALLUCINATION]
    assert run[RECALL] >= base[RECALL] - 10


def test_the_committed_table_holds_all_methods_and_seeds(committed):
    runs = {(*name, world, seed) for name in OWN for world in WORLDS for seed in SEEDS}
    runs |= {(*name, "0", seed) for name in RELEASED for seed in SEEDS}
    assert set(committed) == runs | {("base", "", world, "0") for world in WORLDS}


@pytest.mark.parametrize("world", WORLDS)
def test_the_committed_base_models_see_and_hallucinate(committed, world):
    base = committed["base", "", world, "0"]
    assert list(outside(base)) == []


@pytest.mark.parametrize(("method", "variant"), OWN)
def test_a_method_cuts_hallucination_by_a_fifth_and_keeps_recall(committed, method, variant):
    """Over all worlds by a fifth, in every one at all."""
    before = [committed["base", "", world, "0"] for world in WORLDS]
    after = [[committed[method, variant, world, seed] for seed in SEEDS] for world in WORLDS]
    rates = [fmean(run[HALLUCINATION] for run in runs) for runs in after]
    assert fmean(rates) <= 0.8 * fmean(base[HALLUCINATION] for base in before)
    for base, rate, runs in zip(before, rates, after, strict=True):
        assert rate < base[HALLUCINATION]
        assert fmean(run[RECALL] for run in runs) >= base[RECALL] - 8
