"""What a user sees of a run while it goes on."""

import json

import pytest

from harness.runs.rundir import RunDir
from harness.training.follow import Followed


@pytest.fixture
def run(tmp_path):
    made = RunDir(tmp_path)
    made.logs.mkdir()
    return made


def write(file, *rows):
    with file.open("a") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def test_stages_come_before_the_steps_each_with_its_own_count(run, capfd):
    stage = "reference log-probabilities"
    with Followed(run, "dama", 20) as followed:
        write(run.logs / "progress.jsonl", {"stage": stage, "done": 512, "total": 1000})
        followed.look()
        write(run.logs / "progress.jsonl", {"stage": stage, "done": 1000, "total": 1000})
        followed.look()
        write(run.metrics, {"step": 1, "loss": 0.69}, {"step": 2, "loss": 0.5})
        followed.look()
    lines = [line for line in capfd.readouterr().err.splitlines() if line]
    assert f"{stage}: 1000/1000" in lines
    assert lines[-1] == "train dama: 2/20 loss 0.5000"
    assert lines.index(f"{stage}: 1000/1000") < lines.index("train dama: 0/20")


def test_steps_that_are_repeated_after_a_checkpoint_are_not_counted_twice(run, capfd):
    with Followed(run, "dama", 20) as followed:
        write(run.metrics, *({"step": step, "loss": 1.0} for step in range(1, 9)))
        followed.look()
        (run.path / "cut").write_text(json.dumps({"step": 5, "loss": 1.0}) + "\n")
        (run.path / "cut").replace(run.metrics)
        followed.look()
        write(run.metrics, {"step": 9, "loss": 0.25})
        followed.look()
    assert capfd.readouterr().err.splitlines()[-1] == "train dama: 9/20 loss 0.2500"


def test_a_warning_is_shown_once(run, capfd):
    with Followed(run, "dama", 20) as followed:
        for _ in range(3):
            write(run.logs / "progress.jsonl", {"warning": "the data loader starves the step"})
            followed.look()
    assert capfd.readouterr().err == "warning: the data loader starves the step\n"
