"""Numbers of other answers than are there, and of several judges, are shown nowhere."""

import json

import pytest

from harness.errors import DataError
from harness.evaluation.evaluate import evaluate
from harness.evaluation.held import Held
from harness.evaluation.scorecards import MADE_FROM, current_scorecard
from harness.registry import load_benchmark
from harness.report.gather import judgements_in
from harness.reporting.neighbours import judgements_of
from harness.settings.resolve import resolve


@pytest.fixture
def held(stored):
    words = ("evaluation.benchmarks=[mm_vet]", "evaluation.judge=openai")
    spec = resolve("dpo", "tiny", None, [f"evaluation.data={stored.data}", *words]).spec
    return Held(stored.run, "aaaabbbbccccdddd", spec.model, spec.evaluation)


def shown(stored):
    faults = []
    report = list(judgements_in(stored.run, None, faults))
    return list(judgements_of(stored.run)), report, faults


def test_a_scorecard_of_what_is_there_is_shown(stored, held):
    table, report, faults = shown(stored)
    assert (len(table), len(report), faults) == (1, 1, [])
    assert held.is_finished
    assert held.scorecards()["mm_vet"] == current_scorecard(stored.card)


@pytest.mark.parametrize(("part", "word"), [("answers", "A cat"), ("items", "A cat")])
def test_where_answers_or_items_changed_it_is_left_out_and_judged_again(stored, held, part, word):
    file = getattr(stored, part)
    stored.change(file, word, "A dog")
    table, report, faults = shown(stored)
    assert (table, report) == ([], [])
    assert f"{file.name} changed since this was made from it" in faults[0]
    assert held.unjudged() == ["mm_vet"]
    with pytest.raises(DataError, match=f"{file.name} changed"):
        held.scorecards()


def test_a_scorecard_of_a_version_that_sealed_nothing_is_shown(stored, held):
    (stored.judged / MADE_FROM).unlink()
    stored.change(stored.answers, "A cat", "A dog")
    assert held.is_finished
    assert len(shown(stored)[0]) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"file": 3}', "\x00"])
def test_a_damaged_seal_is_named(stored, text):
    (stored.judged / MADE_FROM).write_text(text)
    _, report, faults = shown(stored)
    assert report == []
    assert "made-from.json is damaged" in faults[0]


def test_a_seal_looks_at_no_file_outside_the_run(stored, tmp_path):
    (tmp_path / "secret.jsonl").write_text("{}\n")
    seal = json.loads((stored.judged / MADE_FROM).read_text())
    seal["file"] = "../../../../secret.jsonl"
    (stored.judged / MADE_FROM).write_text(json.dumps(seal))
    assert len(shown(stored)[0]) == 1


def test_replies_of_two_judges_give_no_number(stored):
    rows = [json.loads(line) for line in stored.replies.read_text().splitlines()]
    for row, name in zip(rows, ("gpt-4-0613", "gpt-4-0613", "gpt-4o-mini"), strict=True):
        row["judge"] = name
    stored.replies.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"several judges: gpt-4-0613 \(2\), gpt-4o-mini \(1\)"):
        again(stored)


def test_the_one_judge_that_some_replies_name_is_the_judge_of_all(stored):
    rows = [json.loads(line) for line in stored.replies.read_text().splitlines()]
    rows[1]["judge"] = "gpt-4-0613"
    stored.replies.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "gpt-4-0613" in again(stored).scorecard.judge


def again(stored):
    benchmark, data = load_benchmark("mm_vet"), stored.data / "mm_vet"
    return evaluate(benchmark, data, stored.answers, stored.annotators, stored.replies)
