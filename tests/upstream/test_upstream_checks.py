"""Counts of complete benchmarks, on made samples with the published counts."""

from types import SimpleNamespace

import pytest

from benchmarks.mmhal import TYPES
from benchmarks.types import Sample
from harness.upstream.checks import (
    AMBER_TYPES,
    CHECKS,
    LLAVA_BENCH_CATEGORIES,
    MM_VET_INTEGRATIONS,
)


def object_halbench():
    return [Sample(i, f"prompt {i % 8}", b"") for i in range(300)]


def amber():
    words = SimpleNamespace(objects=[f"word{i}" for i in range(418)])
    rows = [
        (kind, "yes" if yes is not None and i < yes else "no")
        for kind, (count, yes) in AMBER_TYPES.items()
        for i in range(count)
    ]
    return [
        Sample(i, "", "", kind, {"truth": truth, "words": words})
        for i, (kind, truth) in enumerate(rows, start=1)
    ]


def mmhal():
    return [Sample(i, "", "", TYPES[i % 8]) for i in range(96)]


def llava_bench():
    names = [name for name, count in LLAVA_BENCH_CATEGORIES.items() for _ in range(count)]
    return [Sample(i, "", "", name) for i, name in enumerate(names)]


def mm_vet():
    sets = [names for names, count in MM_VET_INTEGRATIONS.items() for _ in range(count)]
    return [
        Sample(f"v1_{i}", "", "", "", {"capabilities": names.split()})
        for i, names in enumerate(sets)
    ]


COMPLETE = {f.__name__: f for f in (object_halbench, amber, mmhal, llava_bench, mm_vet)}


@pytest.mark.parametrize("name", CHECKS)
def test_complete_benchmarks_pass(name):
    assert [check for check in CHECKS[name](COMPLETE[name]()) if not check.ok] == []


@pytest.mark.parametrize("name", CHECKS)
def test_one_sample_less_fails(name):
    assert not all(check.ok for check in CHECKS[name](COMPLETE[name]()[1:]))


@pytest.mark.parametrize("name", CHECKS)
def test_no_samples_fail(name):
    assert not all(check.ok for check in CHECKS[name]([]))


def test_a_ninth_prompt_is_found():
    samples = [*object_halbench()[1:], Sample(0, "prompt 9", b"")]
    faults = [check for check in CHECKS["object_halbench"](samples) if not check.ok]
    assert [(check.what, check.found) for check in faults] == [("distinct prompts", 9)]


def test_two_mmhal_questions_in_each_others_place_are_found():
    """Types repeat after eight: after exchanging 0 and 1 both have the other's type."""
    first, second, *others = mmhal()
    faults = [check for check in CHECKS["mmhal"]([second, first, *others]) if not check.ok]
    assert [check.found for check in faults] == [[0, 1]]


def test_a_changed_answer_of_amber_is_found():
    samples = amber()
    last = samples[-1]
    samples[-1] = Sample(last.id, "", "", last.category, {**last.reference, "truth": "yes"})
    faults = [check for check in CHECKS["amber"](samples) if not check.ok]
    assert [(check.what, check.found) for check in faults] == [("relation, answer yes", 1)]


def test_mm_vet_sets_sum_to_the_published_capabilities():
    """rec 150, ocr 96, know 84, gen 80, spat 75, math 26: the counts of the published table."""
    totals = {"rec": 150, "ocr": 96, "know": 84, "gen": 80, "spat": 75, "math": 26}
    for capability, total in totals.items():
        counts = (n for names, n in MM_VET_INTEGRATIONS.items() if capability in names.split())
        assert sum(counts) == total
