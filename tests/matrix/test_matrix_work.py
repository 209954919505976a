"""Cells are run once each, whatever fails, is killed or runs at the same time."""

import os
import signal
import subprocess
import sys
import time

import pytest
from matrix_bench import PROGRAM, ROOT, run_together

from harness.matrix.cells import reproduce_command
from harness.matrix.state import State, reason
from harness.matrix.work import Work
from harness.runs.rundir import RunDir, run_name

DRIVER = """
import sys
from pathlib import Path
from matrix_bench import Bench
bench = Bench(Path(sys.argv[1]), {0: "wait"}, tuple(sys.argv[2:]))
bench.work((0, 1)).run(lambda standings: None)
"""


def states(work):
    return [standing.state for standing in work.standings]


def test_every_cell_is_run_once_and_a_finished_one_never_again(bench):
    work = bench.work((0, 1, 2))
    run_together(work)
    assert states(work) == [State.DONE] * 3
    assert bench.calls() == [0, 1, 2]
    assert all(standing.told.endswith(" min") for standing in work.standings)

    again = bench.work((0, 1, 2, 3))
    assert states(again) == [State.DONE] * 3 + [State.QUEUED]
    assert again.standings[0].told == work.standings[0].told
    run_together(again)
    assert bench.calls() == [0, 1, 2, 3]


def test_a_failure_keeps_its_error_and_the_others_go_on(bench):
    bench.behaviours = {0: "fail"}
    work = bench.work((0, 1))
    run_together(work)
    assert states(work) == [State.FAILED, State.DONE]
    failed = work.standings[0]
    assert failed.told == "no luck today"
    log = failed.cell.log.read_text()
    assert failed.cell.log == bench.out / "matrix" / f"{run_name(failed.cell.run.spec)}.log"
    assert log.splitlines()[0].startswith(f"$ {sys.executable} {PROGRAM}")
    assert log.endswith("error: no luck today\nin two lines\n")

    bench.behaviours = {}
    run_together(bench.work((0, 1)))
    assert bench.calls() == [0, 1, 0]


def test_two_commands_at_once_share_the_cells(bench):
    bench.behaviours = {0: "wait"}
    one, two = bench.work((0, 1, 2, 3)), bench.work((0, 1, 2, 3))
    run_together(one, two, until=lambda: states(two)[1:] == [State.DONE] * 3)
    assert states(one)[0] == State.RUNNING
    assert states(two)[0] == State.ELSEWHERE
    two.step()
    # 164 steps are an epoch, and the preset has 3
    assert two.standings[0].told == "training 10/164"
    bench.go.touch()
    run_together(one, two)
    assert states(one) == states(two) == [State.DONE] * 4
    assert sorted(bench.calls()) == [0, 1, 2, 3]


def test_a_cell_that_failed_elsewhere_is_not_tried_once_more_by_who_waited_for_it(bench):
    bench.behaviours = {0: "wait"}
    one, two = bench.work(), bench.work()
    run_together(one, two, until=lambda: states(two) == [State.ELSEWHERE])
    run_together(one, two, until=lambda: bench.calls() == [0])
    (running,) = one._running
    running.popen.kill()
    run_together(one, two)
    assert states(one) == states(two) == [State.FAILED]
    assert bench.calls() == [0]
    bench.behaviours = {}
    run_together(bench.work())
    assert bench.calls() == [0, 0]


def test_a_run_that_somebody_reproduces_is_waited_for_and_then_taken_up(bench):
    work = bench.work()
    run = work.standings[0].cell.run.folder
    run.path.mkdir(parents=True)
    with RunDir(run.path).locked():
        work.step()
        assert states(work) == [State.ELSEWHERE]
        assert bench.calls() == []
    run_together(work)
    assert states(work) == [State.DONE]


def test_cells_at_the_same_time_have_seats_of_their_own(bench):
    bench.behaviours = dict.fromkeys(range(3), "wait")
    work = bench.work((0, 1, 2), seats=[{"SEAT": "left"}, {"SEAT": "right"}])
    run_together(work, until=lambda: len(bench.calls()) == 2)
    assert states(work) == [State.RUNNING, State.RUNNING, State.QUEUED]
    bench.go.touch()
    run_together(work)
    taken = [line.split()[1] for line in (bench.folder / "calls").read_text().splitlines()]
    assert sorted(taken[:2]) == ["left", "right"]
    assert taken[2] in {"left", "right"}


def test_an_interruption_lets_the_running_cell_save_and_the_same_work_goes_on(bench):
    bench.behaviours = {0: "wait"}
    work = bench.work((0, 1))

    def interrupt(standings):
        if standings[0].told.startswith("training"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.run(interrupt)
    assert states(work) == [State.STOPPED, State.QUEUED]
    assert (work.standings[0].cell.run.folder.path / "saved").exists()
    bench.behaviours = {}
    run_together(bench.work((0, 1)))
    assert bench.calls() == [0, 0, 1]


def test_a_command_that_is_killed_leaves_no_cell_running_and_the_next_one_goes_on(bench):
    """Killed as nobody can prepare for: its process is asked to save by the kernel."""
    path = os.pathsep.join((str(PROGRAM.parent), str(ROOT)))
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(bench.folder), *bench.overrides],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
    )
    run = bench.cells()[0].run.folder.path
    while not (run / "metrics.jsonl").exists():
        assert driver.poll() is None
        time.sleep(0.05)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    work = bench.work((0, 1))
    bench.behaviours = {}
    run_together(work)
    assert (run / "saved").exists()
    assert states(work) == [State.DONE, State.DONE]
    assert bench.calls() == [0, 0, 1]


SQUEUE = """#!/bin/sh
cat {state} && exit 0
echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1
"""


def test_a_submitted_cell_is_not_submitted_again_while_its_job_lives(bench, monkeypatch):
    state = bench.folder / "state"
    squeue = bench.folder / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(SQUEUE.format(state=state))
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
    bench.behaviours = {0: "submit"}

    work = bench.work((0, 1), submits=True)
    run_together(work)
    assert states(work) == [State.SUBMITTED, State.DONE]
    assert work.standings[0].told == "job 17 in the queue"

    state.write_text("PENDING\n")
    again = bench.work((0, 1), submits=True)
    again.survey()
    assert again.standings[0].told == "job 17 pending"
    run_together(again)
    assert bench.calls() == [0, 1]

    state.unlink()  # it has ended, and left the run unfinished
    bench.behaviours = {}
    run_together(bench.work((0, 1), submits=True))
    assert bench.calls() == [0, 1, 0]


def test_a_submitted_cell_is_left_alone_where_the_queue_cannot_be_asked(bench, monkeypatch):
    bench.behaviours = {0: "submit"}
    run_together(bench.work(submits=True))
    monkeypatch.setenv("PATH", str(bench.folder))
    work = bench.work((0, 1))
    run_together(work)
    assert states(work) == [State.FAILED, State.DONE]
    assert "job 17 was submitted for this cell" in work.standings[0].told
    assert bench.calls() == [0, 1]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "it ended without a word"),
        ("step 1\nKilled\n", "Killed"),
        ("error: one\nerror: two\n", "two"),
        ("error: dpo 7b cannot start:\n- no key\n- no disk\n", "dpo 7b cannot start: - no disk"),
        (
            "error: Training ended. The end of /x/train.log:\nIndexError: 3\n"
            "The same command continues.\n",
            "Training ended. IndexError: 3",
        ),
    ],
)
def test_the_reason_of_a_failure_is_one_line(log, told):
    assert reason(log) == told


def test_a_cell_is_a_call_of_reproduce_with_one_seed(bench):
    cell = bench.cells((3,), ("dama:released",))[0]
    assert reproduce_command(cell, ("--devices=2",))[1:] == [
        *("-m", "harness", "reproduce", "--method", "dama", "--size", "tiny"),
        *("--variant", "released", "--seeds", "3", "--devices=2", "--out", str(bench.out)),
    ]


def test_the_log_of_a_cell_shows_no_secret_of_an_address(bench):
    plain = bench.command

    def command(cell):
        return [*plain(cell)[:-1], "--judge-url=https://me:word@host/v1"]

    work = Work(bench.cells(), command)
    work.step()
    log = work.standings[0].cell.log.read_text()
    run_together(work)
    assert "--judge-url=https://***@host/v1" in log.splitlines()[0]
    assert "word" not in log
