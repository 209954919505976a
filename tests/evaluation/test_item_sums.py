"""Stored items give the numbers of their scorecard to the last digit, for all five benchmarks."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "parity"))
from score_cases import RECORDED, amber, mm_vet, object_halbench

from harness.errors import DataError
from harness.evaluation.item_sums import read_item_sums, statistic
from harness.evaluation.judged import write
from harness.evaluation.score import Asking, evaluate_responses
from harness.evaluation.scorecards import ITEMS, SCORECARD, read_scorecard
from harness.registry import load_benchmark


def judged(tmp_path, build, scenario):
    """Score a recorded case; return benchmark, items as they are kept, and scorecard."""
    case, _ = build(tmp_path, scenario)
    asking = Asking(f"replay:{case.replies}")
    evaluation = evaluate_responses(case.benchmark, case.responses, case.data, asking)
    write(evaluation, tmp_path / "judged", case.responses)
    card = read_scorecard(tmp_path / "judged" / SCORECARD)
    return load_benchmark(case.benchmark), tmp_path / "judged" / ITEMS, card


@pytest.mark.parametrize(("build", "scenario"), RECORDED, ids=lambda x: getattr(x, "__name__", x))
def test_stored_items_give_every_finite_number_of_the_scorecard(tmp_path, build, scenario):
    benchmark, items, card = judged(tmp_path, build, scenario)
    if build is object_halbench:  # all its recorded pictures are the same empty one
        name_pictures(items)
    found = read_item_sums(items, benchmark, card)
    finite = {name for name, value in card.official.items() if math.isfinite(value)}
    assert found.metrics == finite - set(benchmark.sums.without)
    assert finite & set(benchmark.sums.without) <= {"total_std"}


@pytest.mark.parametrize(("build", "scenario"), RECORDED, ids=lambda x: getattr(x, "__name__", x))
def test_without_rounding_the_numbers_are_within_the_last_digit(tmp_path, build, scenario):
    benchmark, items, card = judged(tmp_path, build, scenario)
    if build is object_halbench:
        name_pictures(items)
    found = read_item_sums(items, benchmark, card)
    for name in found.metrics:
        value = found.table.value(statistic(benchmark, name))
        # The widest step: MMHal prints its rate in whole percent.
        assert value == pytest.approx(card.official[name], abs=0.51), name


def name_pictures(items):
    rows = [json.loads(line) for line in items.read_text("utf-8").splitlines()]
    items.write_text("".join(json.dumps(row | {"picture": str(row["id"])}) + "\n" for row in rows))


def test_an_item_of_amber_lies_with_its_picture(tmp_path):
    benchmark, items, card = judged(tmp_path, amber, "exact_only")
    found = read_item_sums(items, benchmark, card)
    assert set(found.pictures) == {"image/0.jpg"}
    assert len(found.table.clusters) == 1


def test_a_number_that_is_not_the_scorecards_is_left_out(tmp_path):
    benchmark, items, card = judged(tmp_path, mm_vet, "nominal_1run")
    changed = {**card.official, "total": card.official["total"] + 0.1}
    found = read_item_sums(items, benchmark, replace(card, official=changed))
    assert "total" not in found.metrics
    assert "rec" in found.metrics


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda items: items.unlink(), "no such file"),
        (lambda items: items.write_text("[]\n"), "cannot be read as items"),
        (lambda items: items.write_text('{"id": 1, "score": {}}\n'), "cannot be read as items"),
        (lambda items: items.write_text(items.read_text().replace('"picture"', '"p"')), "picture"),
        (lambda items: items.write_text(""), "picture"),
    ],
)
def test_damaged_items_are_told(tmp_path, damage, told):
    benchmark, items, card = judged(tmp_path, mm_vet, "nominal_1run")
    damage(items)
    with pytest.raises(DataError, match=told):
        read_item_sums(items, benchmark, card)


def test_a_benchmark_that_says_nothing_of_its_sums_has_none(tmp_path):
    benchmark, items, card = judged(tmp_path, mm_vet, "nominal_1run")
    with pytest.raises(DataError, match="does not say of which sums"):
        read_item_sums(items, replace(benchmark, sums=None), card)
