"""Rows against base and DPO on made items with known differences."""

import csv
import io

import pytest
from made_runs import correct, graded, mentions, ratings
from rich.console import Console

from harness.registry import load_benchmark
from harness.reporting.alike import unlike
from harness.reporting.compare import compare
from harness.reporting.over_items.differences import over_items, with_intervals
from harness.reporting.tables import write_tables
from harness.reporting.writers.differences import differences_table, groups
from harness.reporting.writers.markdown import cell_text
from harness.reporting.writers.terminal import rich_table

MMHAL = [load_benchmark("mmhal")]


def found_in(runs, benchmarks=MMHAL):
    return over_items(compare(runs, "tiny", benchmarks))


def by_pair(found, metric="hallucination_rate"):
    return {
        (one.row, one.against): one for one in found.differences if one.column.metric.name == metric
    }


def test_rows_stand_against_base_and_dpo_and_not_the_other_way_round(maker):
    runs = [maker.run(name, ratings(good)) for name, good in
            (("base", 40), ("dpo", 60), ("dama", 62))]  # fmt: skip
    pairs = by_pair(found_in(runs))
    assert set(pairs) == {("dpo", "base"), ("dama", "base"), ("dama", "dpo")}
    assert pairs["dama", "base"].measured.value == pytest.approx(-100 * 22 / 96)
    assert pairs["dama", "base"].measured.high < 0
    assert pairs["dama", "base"].is_shown
    assert not pairs["dama", "dpo"].is_shown
    assert pairs["dama", "dpo"].measured.smallest > 2


def test_p_values_are_corrected_over_the_whole_table(maker):
    """Two items differ of 96, in two metrics: p 0.5 each, four differences, so one."""
    runs = [maker.run("base", ratings(40)), maker.run("dpo", ratings(42)),
            maker.run("dama", ratings(40))]  # fmt: skip
    found = found_in(runs)
    pair = by_pair(found)["dpo", "base"]
    assert len(found.differences) == 6
    assert pair.p == pytest.approx(0.5, abs=0.02)
    assert pair.adjusted == 1.0
    small = [one for one in found.differences if one.row == "dama" and one.against == "base"]
    assert [one.p for one in small] == [1.0, 1.0]


def test_items_of_one_picture_go_together(maker):
    """24 pictures with four answers each: half of what is better is so in three pictures."""
    alone = [maker.run("base", ratings(40)), maker.run("dama", ratings(52))]
    together = [maker.run("base", ratings(40), judge="b", each=4),
                maker.run("dama", ratings(52), judge="b", each=4)]  # fmt: skip
    one, two = (by_pair(found_in(runs))["dama", "base"] for runs in (alone, together))
    assert one.measured.value == two.measured.value
    assert two.measured.error > 1.5 * one.measured.error
    assert one.p < 0.001
    assert two.p == pytest.approx(0.25, abs=0.02)


def test_several_seeds_add_their_variance_and_have_no_interval_over_items(maker):
    runs = [maker.run("base", ratings(40))]
    runs += [maker.run("dama", ratings(good), seed) for seed, good in enumerate((55, 62, 69))]
    found = found_in(runs)
    pair = by_pair(found)["dama", "base"]
    assert pair.measured.seeds_variance == pytest.approx((100 * 7 / 96) ** 2 / 3)
    assert {label for label, _ in found.intervals} == {"base"}


def test_rows_over_other_items_are_not_compared(maker):
    runs = [maker.run("base", ratings(40)), maker.run("dama", ratings(40, count=50))]
    assert found_in(runs).differences == ()


def test_two_judges_are_not_compared(maker):
    runs = [maker.run("base", ratings(40)), maker.run("dama", ratings(60), judge="another")]
    assert found_in(runs).differences == ()


def test_a_damaged_file_of_items_is_named_and_leaves_the_others(maker):
    runs = [maker.run(name, ratings(good)) for name, good in
            (("base", 40), ("dpo", 60), ("dama", 62))]  # fmt: skip
    runs[1].items["mmhal"].write_text("hm\n")
    found = found_in(runs)
    assert set(by_pair(found)) == {("dama", "base")}
    (fault,) = found.faults
    assert "/dpo-tiny-0-oracle/mmhal/items.jsonl cannot be read as items" in fault
    assert str(runs[1].items["mmhal"]) not in fault


def test_the_page_names_items_that_say_nothing(maker, tmp_path):
    runs = [maker.run("base", ratings(40))]
    runs[0].items["mmhal"].write_text('{"id": 0, "score": {"rating": 1, "question_type": ""}}\n')
    text = write_tables(runs, "tiny", tmp_path, MMHAL)
    assert "- No interval over items: " in text
    assert "does not say which picture each item has" in text


def test_every_kind_of_metric_is_measured(maker):
    scores = [
        mentions(30, 40, 1200) | ratings(40) | correct([0.1, 0.5, 1.0] * 40) | graded([4, 6] * 30),
        mentions(60, 90, 1200) | ratings(60) | correct([0.2, 0.5, 1.0] * 40) | graded([5, 6] * 30),
    ]
    runs = [maker.run(name, one) for name, one in zip(("base", "dpo"), scores, strict=True)]
    benchmarks = [load_benchmark(name) for name in scores[0]]
    found = found_in(runs, benchmarks)
    assert len(found.differences) == 3 + 2 + 1 + 1
    for one in found.differences:
        if one.column.metric.name != "recall":
            assert one.measured.low < one.measured.value < one.measured.high


def test_the_page_shows_intervals_and_differences_and_the_csv_holds_them(maker, tmp_path):
    runs = [maker.run(name, ratings(good)) for name, good in
            (("base", 40), ("dpo", 60), ("dama", 62))]  # fmt: skip
    text = write_tables(runs, "tiny", tmp_path, MMHAL)
    assert "| dama | 1 | **3.58 (" in text
    assert "(low\u2013high): 95 % interval over the items of a single seed" in text
    assert "### Against base" in text
    assert "### Against dpo" in text
    assert "| MMHal hall. \u2193 | dama | \u2248 -2.1 |" in text
    rows = list(csv.DictReader(io.StringIO((tmp_path / "comparison-tiny.csv").read_text())))
    (one,) = [row for row in rows if row["kind"] == "difference" and row["metric"] == "score"
              and row["against"] == "dpo"]  # fmt: skip
    assert one["method"] == "dama"
    assert float(one["value"]) == pytest.approx(4 * 2 / 96, abs=1e-5)
    assert 0 < float(one["p"]) <= 1
    own = next(row for row in rows if row["kind"] == "official" and row["method"] == "dama")
    assert float(own["low"]) < float(own["value"]) < float(own["high"])


def test_the_same_folders_give_the_same_page(maker, tmp_path):
    runs = [maker.run("base", ratings(40)), maker.run("dama", ratings(62))]
    first, second = (write_tables(runs, "tiny", tmp_path / name, MMHAL) for name in "ab")
    assert first == second


def test_a_terminal_of_eighty_columns_is_enough(maker):
    runs = [maker.run(name, ratings(good)) for name, good in
            (("base", 40), ("dpo", 60), ("dama released", 62))]  # fmt: skip
    comparison = compare(runs, "tiny", MMHAL)
    found = over_items(comparison)
    console = Console(file=io.StringIO(), width=80)
    console.print(rich_table(with_intervals(comparison, found), width=80))
    for against, group in groups(found).items():
        console.print(differences_table(against, group))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = [one for one in lines if one.split()[:3] == ["MMHal", "score", "\u2191"]
               and "released" in one and "to" in one.split() and "\u2248" in one]  # fmt: skip
    assert line.split()[-1] == "0.17"


def test_a_row_without_items_reads_as_before(maker):
    run = maker.run("base", ratings(40))
    run.items["mmhal"].unlink()
    comparison = compare([run], "tiny", MMHAL)
    comparison = with_intervals(comparison, over_items(comparison))
    (row,) = comparison.rows
    assert [cell_text(cell, "score", 1) for cell in row.cells.values()] == ["2.67", "58.00"]


def test_rows_are_compared_over_the_seeds_that_both_have(maker):
    """DPO has seeds 0 and 1, DAMA 1 and 2: 60 against 62 of 96 at seed 1, whatever the others."""
    runs = [maker.run("base", ratings(40))]
    runs += [maker.run("dpo", ratings(good), seed) for seed, good in ((0, 10), (1, 60))]
    runs += [maker.run("dama", ratings(good), seed) for seed, good in ((1, 62), (2, 96))]
    pairs = by_pair(found_in(runs))
    assert pairs["dama", "dpo"].measured.value == pytest.approx(-100 * 2 / 96)
    assert pairs["dama", "dpo"].measured.seeds_variance == 0
    assert pairs["dama", "base"].measured.value == pytest.approx(-100 * (79 - 40) / 96)
    assert unlike(compare(runs, "tiny", MMHAL)) == ["dama is compared with dpo over seed 1 alone."]


def test_rows_without_a_seed_in_common_are_not_compared(maker):
    runs = [maker.run("base", ratings(40)), maker.run("dpo", ratings(60), 0),
            maker.run("dama", ratings(70), 1)]  # fmt: skip
    assert set(by_pair(found_in(runs))) == {("dpo", "base"), ("dama", "base")}
    assert unlike(compare(runs, "tiny", MMHAL)) == [
        "dama and dpo have no world and seed in common, so they are not compared."
    ]
