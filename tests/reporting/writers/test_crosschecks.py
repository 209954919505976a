from benchmarks.types import Scorecard
from harness.evaluation.crosscheck.crosscheck import CrossCheck
from harness.registry import load_benchmark
from harness.reporting.compare import RunResult
from harness.reporting.writers.crosschecks import crosscheck_section

BENCHMARKS = [load_benchmark("llava_bench"), load_benchmark("mm_vet")]


def result(label, **official):
    cards = {
        name: Scorecard(name, "official", "gpt-4", "sha256:0", values, values, {})
        for name, values in official.items()
    }
    return RunResult(label, label, None, "7b", 0, cards)


def checked(name, values, dropped=None):
    return CrossCheck(name, "task", values, "gpt-4o", "0.7.3", 3, dropped)


def test_headline_numbers_stand_side_by_side_and_a_dropped_one_has_its_reason():
    run = result("dama", llava_bench={"all": 65.43, "conv": 1.0}, mm_vet={"total": 31.0})
    checks = {
        "llava_bench": checked("llava_bench", {"all": 64.2, "conv": 2.0}),
        "mm_vet": checked("mm_vet", {}, "the judge | was away"),
    }
    text = crosscheck_section([(run, checks)], BENCHMARKS)
    assert "| dama | seed 0 | LLaVA-W all | 65.4 | 64.2 | gpt-4o, lmms-eval 0.7.3 |" in text
    assert "| dama | seed 0 | MM-Vet total | 31.0 | — |" in text
    assert "- dama, seed 0, MM-Vet: no number, because the judge \\| was away" in text
    assert "conv" not in text


def test_unchecked_runs_make_no_section():
    assert crosscheck_section([(result("dama"), {})], BENCHMARKS) == ""
