"""General ability in tables: base beside each run, origins below, failures named."""

import csv
import io
import json

import pytest

from harness.evaluation.guard.records import Ability, Guarded
from harness.reporting.abilities import abilities
from harness.reporting.compare import RunResult, compare
from harness.reporting.writers.general_ability import ability_section, print_abilities
from harness.reporting.writers.markdown import comparison_markdown
from harness.reporting.writers.records import comparison_records, csv_text, json_text


def guarded(value, checkpoint="1", failed=None, stderr=None, task="mme", **identity):
    decided = {"lmms_eval": "0.7.3", "version": "0.0", "config": "c" * 16, "data": "d" * 16}
    metrics = {} if failed else {"score": Ability(value, True, stderr)}
    items = 0 if failed else 4
    return Guarded(task, {**decided, **identity, "checkpoint": checkpoint}, metrics, items, failed)


def run(label, *guard, seed=0, world=0):
    return RunResult(label, label, None, "tiny", seed, {}, guard=guard, world=world)


BASE = run("base", guarded(1500.0))


def rows(*runs):
    return {(one.label, one.task): one for one in abilities(runs)}


def test_a_fall_below_the_base_model_is_marked_and_a_rise_is_not():
    text = ability_section([BASE, run("dpo", guarded(1342.5)), run("dama", guarded(1501.0))])
    assert "| dpo | mme score ↑ | 1500.0 | 1342.5 | -157.5 ▼ |" in text
    assert "| dama | mme score ↑ | 1500.0 | 1501.0 | +1.0 |" in text
    assert "- mme: lmms-eval 0.7.3, task version 0.0 (files cccccc), data dddddd, 4 items" in text


def test_of_a_metric_where_less_is_better_a_rise_is_a_fall():
    lower = {"error": Ability(0.25, False)}, {"error": Ability(0.5, False)}
    base, own = (Guarded("task", {}, one, 4) for one in lower)
    (row,) = abilities([run("base", base), run("dpo", own)])
    assert row.is_worse


def test_a_difference_that_the_digits_do_not_show_is_none():
    text = ability_section([run("base", guarded(0.5)), run("dpo", guarded(0.4999))])
    assert "| 0.500 | 0.500 | 0.000 |" in text


def test_seeds_are_averaged_and_each_compared_with_the_base_of_its_world():
    """World 0: 10 and 14 against 8; world 1: 20 against 16. Means 4 and 4."""
    found = rows(
        run("base", guarded(8.0)),
        run("base", guarded(16.0, data="other"), world=1),
        run("dpo", guarded(10.0)),
        run("dpo", guarded(14.0), seed=1),
        run("dpo", guarded(20.0, data="other"), world=1),
    )
    row = found["dpo", "mme"]
    assert row.own.estimate.mean == 16.0
    assert row.difference.mean == 4.0
    assert row.base.estimate.mean == 12.0


def test_a_standard_error_is_shown_for_a_single_run_alone():
    one, other = guarded(0.5, stderr=0.02), guarded(0.6, stderr=0.02)
    assert "| 0.500 (0.020) |" in ability_section([run("dpo", one)])
    both = ability_section([run("dpo", one), run("dpo", other, seed=1)])
    assert "(0.020)" not in both
    assert "0.550 ±" in both


def test_a_failed_task_has_no_number_and_a_reason():
    failed = run("dpo", guarded(0, failed="KeyError: 'gold'"))
    text = ability_section([BASE, failed])
    assert "dpo |" not in text
    assert "- dpo, seed 0, mme: no number, because KeyError: 'gold'" in text


def test_numbers_of_other_versions_of_a_task_do_not_meet():
    found = rows(BASE, run("dpo", guarded(1400.0, version="1.0")))
    assert found["dpo", "mme (b)"].difference is None


def test_where_nothing_was_asked_nothing_is_said(capsys):
    assert ability_section([run("base"), run("dpo")]) == ""
    print_abilities([run("base")])
    assert capsys.readouterr().out == ""


def test_the_base_model_alone_stands_in_its_own_column():
    assert "| base | mme score ↑ | 1500.0 | — | — |" in ability_section([BASE])


def test_the_table_on_the_terminal_holds_the_same(capsys):
    print_abilities([BASE, run("dpo", guarded(1342.5))])
    shown = capsys.readouterr().out
    assert "General ability" in shown
    assert "-157.5 ▼" in shown


@pytest.fixture
def comparison():
    failed = guarded(0, failed="no picture", task="pope")
    runs = [BASE, run("dpo", guarded(1342.5, "2", stderr=10.0), failed)]
    return compare(runs, "tiny", [])


def test_the_comparison_has_the_section(comparison):
    assert "## General ability" in comparison_markdown(comparison, [])


def test_csv_and_json_hold_numbers_differences_and_failures(comparison):
    records = comparison_records(comparison, [], [])
    lines = list(csv.DictReader(io.StringIO(csv_text(records))))
    base, dpo, failed, difference = lines
    assert (base["method"], base["kind"], base["value"]) == ("base", "general_ability", "1500.0")
    assert (dpo["benchmark"], dpo["metric"], dpo["low"], dpo["high"]) == (
        "mme", "score", "1322.9", "1362.1",
    )  # fmt: skip
    assert dpo["protocol"] == "lmms-eval 0.7.3, task version 0.0"
    assert (failed["value"], failed["standing"]) == ("", "no number: no picture")
    assert (difference["kind"], difference["value"]) == ("difference", "-157.5")
    assert difference["against"] == "base"
    assert [one.get("value") for one in json.loads(json_text(records))] == [
        1500.0, 1342.5, None, -157.5,
    ]  # fmt: skip
