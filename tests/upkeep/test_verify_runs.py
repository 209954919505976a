"""What is planted in a run is found, and nothing else."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.upkeep.verify.verify import verify


@pytest.fixture
def found(stored):
    """Return the findings in one text; nothing may be written in the run."""

    def look(data=stored.data):
        before = stored.bytes_of_all()
        checked = list(verify(stored.name, stored.out, data))
        assert stored.bytes_of_all() == before
        return "\n".join(line for one in checked for line in one.findings)

    return look


def test_a_run_as_it_was_made_is_whole_without_a_key(stored, found):
    assert found() == ""


def test_a_changed_answer(stored, found):
    stored.change(stored.answers, "A cat sits.", "A dog sits.")
    assert "reply of item 'v1_0' is missing: what is stored answers another question" in found()


def test_a_changed_reply_names_the_item_and_both_numbers(stored, found):
    stored.change(stored.replies, '"1.0"', '"0.0"')
    told = found()
    assert "item 'v1_1', score" in told
    assert "official total: stored 56.7, recomputed 23.3" in told


@pytest.mark.parametrize("part", ["official", "careful"])
def test_a_number_that_is_a_tenth_off(stored, found, part):
    card = json.loads(stored.card.read_text())
    card[part]["total"] += 0.1
    stored.card.write_text(json.dumps(card))
    assert f"{part} total: stored {card[part]['total']}, recomputed 56.7" == found()


def test_a_changed_count(stored, found):
    stored.change(stored.card, '"samples": 3', '"samples": 4')
    assert found() == "counts samples: stored 4, recomputed 3"


def test_another_name_of_the_judge(stored, found):
    stored.change(stored.card, "gpt-4", "gpt-9")
    assert "judge: stored 'gpt-9" in found()


def test_an_item_that_is_gone(stored, found):
    stored.drop(stored.items, 1)
    assert found() == "item 'v1_1' is not in items.jsonl"


def test_a_reply_that_is_gone_is_asked_of_nobody(stored, found):
    stored.drop(stored.replies, 2)
    assert found() == "reply of item 'v1_2' is missing"


def test_a_reply_that_was_cut_off(stored, found):
    stored.replies.write_text(stored.replies.read_text()[:-5])
    told = found()
    assert "replies.jsonl: the last line is cut off" in told
    assert "reply of item 'v1_2' is missing" in told


@pytest.mark.parametrize("part", ["card", "items", "replies", "answers"])
def test_a_file_that_is_gone(stored, found, part):
    file = getattr(stored, part)
    file.unlink()
    assert f"{file.name} is missing" in found()


def test_another_model_than_the_one_that_answered(stored, found):
    moved = stored.run.path.with_name("model-mine-000000000000")
    stored.run.path.rename(moved)
    stored.name = moved.name
    assert "the answers are not of the model that names the folder" in found()


def test_an_identity_that_is_not_the_folders(stored, found):
    stored.change(stored.judged / "identity.json", '"scorer": "', '"scorer": "0')
    assert "is not of the judgement that the folder is named by" in found()


def test_without_the_data_the_stored_scores_are_added_up(stored, found, tmp_path):
    shutil.rmtree(stored.data)
    assert found(tmp_path) == ""
    stored.change(stored.card, "56.7", "56.8")
    assert found(tmp_path) == "official total: stored 56.8, recomputed 56.7"
    stored.change(stored.replies, '"1.0"', '"0.0"')
    assert "item 'v1_1': its reply is not the one that was scored" in found(tmp_path)


def test_the_command_says_ok_or_what_differs_by_its_exit_code(stored):
    words = ["verify", stored.name, "--out", str(stored.out), "--data", str(stored.data)]
    good = CliRunner().invoke(app, words)
    assert (good.exit_code, good.output.count(": ok")) == (0, 2)
    stored.change(stored.card, "56.7", "56.8")
    bad = CliRunner().invoke(app, words)
    assert bad.exit_code == 1
    assert "stored 56.8, recomputed 56.7" in bad.output
