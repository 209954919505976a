"""How far a run is, told by its files alone, and what it takes on the disk."""

import pytest

from harness.files.locks import FileLock
from harness.reporting.listing import size_text, state_of
from harness.runs.rundir import RunDir
from harness.training.process import ERROR_FILE

ASKED = ("amber", "mm_vet")


@pytest.fixture
def run(tmp_path):
    run = RunDir(tmp_path / "dpo-tiny-seed0-0123456789ab")
    run.path.mkdir()
    run.spec_file.touch()
    return run


def put(file, text=""):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_training_from_its_begin_to_its_end(run):
    assert state_of(run, ASKED) == "not begun"
    lock = FileLock(run.lock)
    with lock:
        assert state_of(run, ASKED) == "starting"
        put(run.metrics, '{"step": 7}\n')
        assert state_of(run, ASKED) == "training at step 7"
    assert state_of(run, ASKED) == "stopped at step 7"
    put(run.logs / ERROR_FILE, "{}")
    assert state_of(run, ASKED) == "failed at step 7"
    run.model.mkdir()
    assert state_of(run, ASKED) == "trained"


def test_answers_and_judgements_of_a_trained_model(run):
    run.model.mkdir()
    put(run.responses / "amber-00.journal.jsonl")
    assert state_of(run, ASKED) == "trained"
    with FileLock(run.lock):
        assert state_of(run, ASKED) == "answers 0 of 2"
    put(run.responses / "amber-00.jsonl")
    assert state_of(run, ASKED) == "answers 1 of 2"
    put(run.responses / "mm_vet-00.jsonl")
    assert state_of(run, ASKED) == "waiting for judge"
    with FileLock(run.lock):
        assert state_of(run, ASKED) == "judging"
    put(run.judgements / "amber-11" / "scorecard.json")
    assert state_of(run, ASKED) == "waiting for judge"
    put(run.judgements / "mm_vet-11" / "scorecard.json")
    assert state_of(run, ASKED) == "finished"


def test_of_a_base_model_nobody_says_what_it_is_to_answer(tmp_path):
    base = RunDir(tmp_path / "base-tiny-0123456789ab")
    put(base.responses / "amber-00.jsonl")
    assert state_of(base) == "waiting for judge"
    put(base.judgements / "amber-11" / "scorecard.json")
    assert state_of(base) == "finished"


@pytest.mark.parametrize(
    ("size", "told"), [(999, "999 B"), (1500, "1.5 kB"), (2_000_000, "2.0 MB")]
)
def test_a_folder_takes_what_its_files_take(tmp_path, size, told):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"0" * size)
    assert size_text(tmp_path) == told
