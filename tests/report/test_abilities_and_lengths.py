"""General ability stands base beside run; lengths are those of all runs of a method."""

import html
import re
import shutil

import pytest
from made import guard, halbench_rows

from harness.evaluation.guard.records import Guarded, record_path, write_record
from harness.report.parts.lengths import words_of

HOSTILE = "<script>alert(1)</script>"


def table(found):
    """Return the rows of the section on general ability, and its text."""
    (section,) = re.findall(r'<h2 id="abilities">.*?(?=<h2 )', found.html, re.DOTALL)
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', section)
    cells = {name: re.findall(r">([^<]*)</td>", row) for name, row in rows}
    return cells, html.unescape(section)


def test_the_base_model_stands_beside_the_runs_of_each_method(made, page):
    guard(made.base(), 0.5)
    for seed, value in ((0, 0.6), (1, 0.8)):
        guard(made.run("dpo", seed=seed), value)
    guard(made.run("dama"), 0.4)
    rows, text = table(page())
    assert rows == {
        "dpo": ["mme accuracy ↑", "0.500 (0.010)", "0.700 ± 1.271", "+0.200 ± 1.271"],
        "dama": ["mme accuracy ↑", "0.500 (0.010)", "0.400 (0.010)", "-0.100 ▼"],
    }
    assert list(rows) == ["dpo", "dama"]
    assert "lmms-eval's standard error" in text
    assert "half-width of the 95 % interval" in text
    assert "218 items" in text


def test_where_nobody_was_asked_there_is_no_such_part(made, page):
    made.base()
    made.run("dpo")
    assert 'id="abilities"' not in page().html


def test_what_is_of_another_model_or_damaged_or_asked_otherwise_is_named(made, page):
    guard(made.base(), 0.5)
    stale, damaged, other = made.run("dpo"), made.run("dama"), made.run("ipo")
    guard(stale, 0.6, checkpoint="before")
    stale.model.mkdir()
    shutil.copy(stale.spec_file, stale.model)
    guard(damaged, 0.6)
    record_path(damaged.path, "mme-d").write_text("{")
    guard(other, 0.6, data="other")
    found = page()
    for run, said in (
        (stale, "general ability by mme is left out: it is of another model"),
        (damaged, "is not a record of a guard's task"),
        (other, "asked otherwise than most"),
    ):
        assert any(one.startswith(run.path.name) and said in one for one in found.faults)
    assert list(table(found)[0]) == []


def test_words_of_tasks_and_failures_are_text(made, page):
    made.base()
    run = made.run("dpo")
    write_record(record_path(run.path, "x-d"), Guarded(HOSTILE, {}, failed=HOSTILE))
    found = page()
    assert "no number, because" in found.html
    assert "<script>alert" not in found.html


def lengths(found):
    """Return what the chart of lengths says in words, and the part as it stands."""
    (section,) = re.findall(r'<h2 id="lengths">.*?(?=<h2 |<section)', found.html, re.DOTALL)
    return html.unescape(re.search(r'role="img" aria-label="([^"]*)"', section)[1]), section


def test_lengths_are_those_of_all_runs_with_the_least_and_the_most(made, page, monkeypatch):
    made.base()
    for seed in range(3):
        (row,) = halbench_rows(answer=" ".join(["word"] * (2 + 2 * seed)))
        monkeypatch.setattr("made.halbench_rows", lambda *_, said=row: [said])
        made.run("dpo", seed=seed)
    told, section = lengths(page())
    assert "dpo: 4.0 words, 2.0 to 6.0 in 3 runs, the middle half of the answers 3 to 5" in told
    assert "base: 6.0 words, the middle half" in told
    assert section.count('<path class="line s1"') == 2


def test_one_run_has_a_mark_without_a_line(made, page):
    made.base()
    made.run("dpo")
    assert 'class="line' not in lengths(page())[1]


@pytest.mark.parametrize("full", [True, False])
def test_answers_that_cannot_be_read_are_named_once_whether_shown_or_not(made, page, full):
    made.base()
    for seed in range(2):
        run = made.run("dpo", seed=seed)
    file = run.judgements / "mm_vet-0123456789ab" / "items.jsonl"
    file.write_bytes(file.read_bytes()[:-9])
    named = [one for one in page(full=full).faults if "answers to mm_vet are not shown" in one]
    assert [one.partition(":")[0] for one in named] == [run.path.name]


def test_without_answers_there_are_no_lengths():
    assert words_of([], []) == {}
