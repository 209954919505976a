"""Pairs that the model's tokenizer cannot train on are told together, before anything starts."""

import json

import pytest
import world_fixture
from processes import losses, workers

from harness.data.pairs.checks import check_pairs
from harness.data.pairs.preferences import Preferences
from harness.errors import ConfigError, DataError
from harness.training.launch import prepare, train
from harness.training.reading import token_reader

LONG = 3
EQUAL = 5


@pytest.fixture
def rows():
    """Twelve pairs: one with a prompt that is too long, one whose difference is cut off."""
    made = world_fixture.rows(12)
    made[LONG]["question"] = "What is this? " * 200
    made[EQUAL] |= {"chosen": "a dog " * 300, "rejected": "a dog " * 300 + "and a cat"}
    return made


@pytest.fixture
def file(rows, tmp_path):
    return world_fixture.write_rows(tmp_path / "data" / "train-0.parquet", rows)


class NoLauncher:
    """Nothing may be started."""

    def check(self, processes):
        raise AssertionError(processes)


def test_both_are_bad_rows_before_anything_starts(file, make_run):
    run, spec = make_run("dpo", data={"preferences": str(file)})
    with pytest.raises(DataError) as error:
        train(run, spec, NoLauncher())
    assert str(error.value).splitlines()[1:] == [
        "  train-0.parquet row 3: the prompt has 1503 tokens with its image, and max_length is 200 "
        "(pair '3')",
        "  train-0.parquet row 5: chosen equals rejected in the 86 tokens that max_length leaves "
        "(pair '5')",
    ]
    assert "2 of 12 rows cannot be used, and 0 may be left out" in str(error.value)
    listed = (run.path / "bad-rows.jsonl").read_text().splitlines()
    assert [json.loads(line)["file_row"] for line in listed] == [LONG, EQUAL]


def test_they_count_together_with_rows_that_are_bad_for_every_model(rows, tmp_path, make_run):
    rows[4]["chosen"] = " "
    file = world_fixture.write_rows(tmp_path / "data" / "train-0.parquet", rows)
    allowed = {"preferences": str(file), "max_bad_rows": 3}
    run, spec = make_run("dpo", data=allowed)
    assert prepare(run, spec).column("idx") == [str(i) for i in (0, 1, 2, 6, 7, 8, 9, 10, 11)]
    run, spec = make_run("dpo", data=allowed | {"max_bad_rows": 2})
    with pytest.raises(DataError, match=r"3 of 12 rows(.|\n)*row 3: (.|\n)*row 4: empty chosen"):
        prepare(run, spec)


def test_a_longer_limit_takes_them(file, make_run):
    run, spec = make_run("dpo", data={"preferences": str(file), "max_length": 3000})
    assert len(prepare(run, spec)) == 12


def test_what_a_tokenizer_finds_is_remembered(file, make_run, monkeypatch):
    _, spec = make_run("dpo", data={"preferences": str(file)})
    reader, pairs = token_reader(spec), Preferences(file)
    first = list(check_pairs(pairs, reader=reader).bad_rows())
    monkeypatch.setattr(reader, "faults", None)
    told = []
    assert list(check_pairs(pairs, frozenset(), told.append, reader).bad_rows()) == first
    assert sum(told) == 2 * len(pairs)


def test_a_limit_without_room_for_text_is_one_sentence(file, make_run):
    """An image of the tiny model takes 9 tokens."""
    run, spec = make_run("dpo", data={"preferences": str(file), "max_length": 1})
    with pytest.raises(ConfigError) as error:
        train(run, spec, NoLauncher())
    assert str(error.value) == (
        "data.max_length 1 leaves no room for text beside the 9 tokens of an image. Raise it."
    )


@pytest.mark.processes
def test_all_devices_leave_them_out(file, rows, tmp_path, make_run):
    """The losses are those of the data without the rows, to the last digit."""
    good = [row for i, row in enumerate(rows) if i not in (LONG, EQUAL)]
    clean = world_fixture.write_rows(tmp_path / "clean" / "train-0.parquet", good)
    made = [
        make_run("dpo", data={"preferences": str(source), "max_bad_rows": 2})[0]
        for source in (file, clean)
    ]
    for run in made:
        run.logs.mkdir()
    workers([(run, None) for run in made], 2)
    assert losses(made[0], 8) == losses(made[1], 8)
