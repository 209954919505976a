"""Every number that a benchmark counts is declared, so that tables show it."""

from itertools import product

import pytest

from benchmarks.amber import KINDS
from benchmarks.amber_metrics import Answer, Description
from benchmarks.chair import Mentions
from benchmarks.llava_bench import CATEGORIES, Grades
from benchmarks.mm_vet import CAPABILITIES, Correctness
from benchmarks.mmhal import TYPES, Rating
from benchmarks.types import Metric
from harness.registry import load_benchmark

SCORES = {
    "amber": [Description(), *(Answer(kind, "no", "No") for kind in KINDS.values())],
    "llava_bench": [Grades(8.0, 6.0, category) for category in CATEGORIES],
    "mm_vet": [
        Correctness((0.5, 1.0), tuple(sorted({first, second})))
        for first, second in product(CAPABILITIES, repeat=2)
    ],
    "mmhal": [Rating(3, question_type) for question_type in TYPES],
    "object_halbench": [Mentions(("cat",), (), ("cat",), ("cat",))],
}


@pytest.mark.parametrize("name", SCORES)
def test_all_numbers_are_declared_and_all_that_are_declared_are_counted(name):
    benchmark = load_benchmark(name)
    counted = set(benchmark.aggregate(SCORES[name]))
    declared = {one.name for metric in benchmark.metrics for one in metric.members(counted)}
    assert declared == counted


def test_a_family_has_the_members_that_begin_like_it():
    family = Metric("integration/*", "percent", higher_is_better=True)
    names = ["total", "integration", "integration/rec", "integration/ocr_rec", "other/rec"]
    assert [one.name for one in family.members(names)] == names[2:4]
    assert {one.unit for one in family.members(names)} == {"percent"}


def test_a_family_cannot_be_a_column():
    with pytest.raises(ValueError, match="is a family"):
        Metric("integration/*", "percent", higher_is_better=True, headline=True)
