"""What a user is told when training ended badly."""

import json
import os

import pytest

from harness.errors import DataError, PreflightError, TrainingError
from harness.launchers.local import LocalLauncher
from harness.runs.rundir import RunDir
from harness.training.failure import Log, failure
from harness.training.launch import _cleared
from harness.training.process import ERROR_FILE, LOG_FILE
from harness.training.worker import _tell

REPORT = """\
Root Cause (first observed failure):
[0]:
  time      : 2026-01-01_00:00:00
  host      : node2.cluster
  rank      : {rank} (local_rank: 1)
  exitcode  : {code} (pid: 123) (SIGKILL)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 123
"""
"""A part of what torch.distributed.run writes."""
HERE = LocalLauncher()


@pytest.fixture
def run(tmp_path):
    made = RunDir(tmp_path)
    made.logs.mkdir()
    return made


def log(run, text, before=""):
    file = run.logs / LOG_FILE
    file.write_text(before + text)
    return Log(file, len(before))


def test_what_a_worker_reported_counts_most(run):
    (run.logs / ERROR_FILE).write_text(json.dumps({"kind": "DataError", "message": "row 3"}))
    found = failure(run, log(run, REPORT.format(rank=1, code=-9)), HERE, ("this machine", 1))
    assert isinstance(found, DataError)
    assert str(found) == "row 3"


def test_a_machine_that_does_not_take_part_is_quoted(run):
    text = "harness.launchers.node: node7 does not see the run folder\nKilled\n"
    found = failure(run, log(run, text), HERE, ("node7", 1))
    assert isinstance(found, PreflightError)
    assert str(found) == "node7 does not see the run folder"


def test_the_process_that_a_signal_ended_is_named_and_not_those_that_missed_it(run):
    text = REPORT.format(rank=0, code=1) + REPORT.format(rank=5, code=-9)
    said = str(failure(run, log(run, text), HERE, ("this machine", 1)))
    assert "Process 5 on node2.cluster was ended by SIGKILL; if nobody sent it, the machine" in said
    assert "Process 0" not in said


def test_the_workers_words_are_shown_and_not_those_of_the_agent(run):
    """The agent's error comes last and would push the worker's out of the lines that are shown."""
    agent = (
        "E1123 23:10:57.124000 13432 torch/distributed/elastic/multiprocessing/api.py:988] "
        "failed (exitcode: 1) local_rank: 0\n"
        "Traceback (most recent call last):\n"
        '  File "torch/distributed/run.py", line 1020, in <module>\n'
        "    raise ChildFailedError(\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        f"=====\nharness.training.worker FAILED\n-----\n{REPORT.format(rank=1, code=1)}=====\n"
    )
    worker = "Traceback (most recent call last):\n  File x\nValueError: the reason\n"
    said = str(failure(run, log(run, worker + agent + agent), HERE, ("this machine", 1)))
    assert said.splitlines()[-2:] == [
        "ValueError: the reason",
        "The same command continues from the last checkpoint.",
    ]
    assert "ChildFailedError" not in said


def test_only_the_words_of_this_call_are_shown(run):
    said = str(failure(run, log(run, "new words\n", "old words\n"), HERE, ("this machine", 3)))
    assert said.startswith("Training ended with exit code 3.\n")
    assert "new words" in said
    assert "old words" not in said
    assert said.endswith("The same command continues from the last checkpoint.")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
def test_a_full_disk_is_named_although_nothing_could_be_written(run, monkeypatch):
    """Everything that is written to /dev/full meets a full disk; what it gives to read is odd."""
    (run.logs / LOG_FILE).symlink_to("/dev/full")
    monkeypatch.setattr(Log, "text", lambda _: "")
    found = failure(run, Log(run.logs / LOG_FILE, 0), HERE, ("this machine", 1))
    assert isinstance(found, TrainingError)
    assert f"{run.logs} cannot be written to: No space left on device." in str(found)


def test_what_the_system_refused_is_told_and_no_traceback_is_shown(run):
    text = (
        "Traceback (most recent call last):\n  File x\n"
        "OSError: [Errno 28] No space left on device: '/runs/x/state.pt'\n"
    )
    found = failure(run, log(run, text), HERE, ("this machine", 1))
    assert isinstance(found, TrainingError)
    assert str(found).startswith("/runs/x/state.pt: No space left on device. Free some space")
    assert str(run.logs / LOG_FILE) in str(found)
    assert "Traceback" not in str(found)


def test_a_process_that_was_killed_counts_more_than_what_the_others_were_refused(run):
    text = "OSError: [Errno 2] No such file or directory: '/x'\n" + REPORT.format(rank=1, code=-9)
    said = str(failure(run, log(run, text), HERE, ("this machine", 1)))
    assert "was ended by SIGKILL" in said


def test_a_folder_that_cannot_be_written_to_stops_the_run_before_it_starts(run):
    """A folder in the log's place refuses root too, which no permission does."""
    (run.logs / LOG_FILE).mkdir()
    with pytest.raises(TrainingError, match=r"cannot be written to: .* Nothing was started"):
        _cleared(run.logs)


def test_what_was_told_first_stays(run):
    """The other processes end of it, and say something else."""
    assert _tell(run, DataError("row 3")) == _tell(run, TrainingError("the others are gone")) == 1
    assert json.loads((run.logs / ERROR_FILE).read_text())["message"] == "row 3"
