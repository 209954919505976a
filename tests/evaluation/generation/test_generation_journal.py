import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.types import Response
from harness.errors import DataError
from harness.evaluation.generation.journal import Journal, journal_path, progress_of, responses_path

IDENTITY = {"checkpoint": "abc", "template": "vicuna_v1"}


def open_journal(out, samples=3, identity=IDENTITY, rank=0):
    return Journal(out, "toy", identity, samples, rank)


def test_answers_are_read_back_with_their_ids_and_odd_characters(tmp_path):
    journal = open_journal(tmp_path)
    journal.append([Response(1, "line\nbreak"), Response("v1_0", "café \u2028 ]")])
    again = open_journal(tmp_path)
    assert again.answers == {1: "line\nbreak", "v1_0": "café \u2028 ]"}


@given(cut=st.integers(min_value=1, max_value=32))
def test_a_torn_last_line_is_cut_and_costs_only_itself(tmp_path_factory, cut):
    """The last row has 33 bytes with its newline: losing 1 to 32 of them loses that row only."""
    out = tmp_path_factory.mktemp("journal")
    journal = open_journal(out)
    journal.append([Response(1, "one")])
    whole = journal.path.read_bytes()
    journal.append([Response(2, "two two")])
    last_row = journal.path.read_bytes()[len(whole) :]
    assert len(last_row) == 33
    journal.path.write_bytes(whole + last_row[: len(last_row) - cut])
    again = open_journal(out)
    assert again.answers == {1: "one"}
    assert journal.path.read_bytes() == whole
    again.append([Response(2, "anew")])
    assert open_journal(out).answers == {1: "one", 2: "anew"}


def test_a_torn_first_line_starts_the_journal_anew(tmp_path):
    path = open_journal(tmp_path).path
    path.write_bytes(path.read_bytes()[:-5])
    assert open_journal(tmp_path).answers == {}
    assert json.loads(path.read_text()) == {"identity": IDENTITY, "samples": 3}


def test_answers_of_another_checkpoint_are_refused(tmp_path):
    open_journal(tmp_path).append([Response(1, "one")])
    with pytest.raises(DataError, match="another checkpoint"):
        open_journal(tmp_path, identity=IDENTITY | {"checkpoint": "other"})


def test_damage_in_the_middle_is_an_error(tmp_path):
    journal = open_journal(tmp_path)
    journal.path.write_text(journal.path.read_text() + '{"id": 1, "resp\n{"id": 2}\n')
    with pytest.raises(DataError, match="Delete it"):
        open_journal(tmp_path)


def test_processes_write_apart_and_read_together(tmp_path):
    first, second = open_journal(tmp_path), open_journal(tmp_path, rank=1)
    first.append([Response(1, "one")])
    second.append([Response(2, "two"), Response(3, "three")])
    assert first.path != second.path
    assert open_journal(tmp_path).answers == {1: "one", 2: "two", 3: "three"}


def test_progress_counts_answers_without_headers(tmp_path):
    """toy: 2 of 3 in the journals of two processes; done: 4 of 4; later: not opened yet."""
    open_journal(tmp_path).append([Response(1, "one")])
    open_journal(tmp_path, rank=1).append([Response(2, "two")])
    responses_path(tmp_path, "done").write_text("{}\n" * 4)
    assert progress_of(tmp_path, ["toy", "done", "later"]) == (6, 7)
    assert not journal_path(tmp_path, "later").exists()
