"""What `watch` shows of runs, from files in any state."""

import io
import json
import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from harness import console
from harness.commands.app import app
from harness.files.jsonlines import JsonLines
from harness.files.locks import FileLock
from harness.runs.rundir import RunDir
from harness.settings.resolve import resolve
from harness.training.process import ERROR_FILE, PROGRESS_FILE
from harness.watching import follow
from harness.watching.frame import clock, one_run, sparkline
from harness.watching.read import look_at
from harness.watching.several import all_in

NAME = "dpo-tiny-seed0-0123456789ab"


@pytest.fixture
def run(tmp_path):
    folder = RunDir(tmp_path / "runs" / NAME)
    folder.open(resolve("dpo", "tiny").spec)
    return folder


def steps(run, last, epoch=0.01):
    rows = (
        {
            "step": step,
            "epoch": step * epoch,
            "loss": 0.7 / step,
            "reward_gap": step / 10,
            "seconds": 2.0,
            "pairs_per_second": 8.0,
        }
        for step in range(1, last + 1)
    )
    JsonLines(run.metrics).append(*rows)


def drawn(frame, width=80):
    terminal = Console(file=io.StringIO(), width=width, color_system=None)
    terminal.print(frame)
    return terminal.file.getvalue()


def test_a_running_run_shows_steps_speed_time_left_and_curves(run):
    steps(run, 50)
    JsonLines(run.logs / PROGRESS_FILE).append({"warning": "The steps wait."})
    lock = FileLock(run.lock)
    with lock:
        told = drawn(one_run(look_at(run), 80))
    total = round(100 * run.read_spec().training.epochs)
    assert f"{NAME}  running" in told
    assert f"50/{total}" in told
    assert "8.0 pairs/s" in told
    assert f"{clock((total - 50) * 2)} left" in told
    assert re.search(r"loss +█[▁-█]+ +0\.7 → 0\.014\n", told)
    assert "warning: The steps wait." in told
    assert max(map(len, told.splitlines())) <= 80


@pytest.mark.parametrize("damage", [b'{"step": 51, "lo', b"no json\n", b"[1]\n", b"\xff\xfe\n"])
def test_half_written_and_damaged_lines_break_nothing(run, damage):
    steps(run, 50)
    with run.metrics.open("ab") as stream:
        stream.write(damage)
    (run.logs).mkdir()
    (run.logs / PROGRESS_FILE).write_bytes(damage)
    (run.logs / ERROR_FILE).write_bytes(damage)
    run.spec_file.write_bytes(b"{")
    assert drawn(one_run(look_at(run), 80)).startswith(NAME)


def test_before_the_first_step_the_stage_is_shown(run):
    JsonLines(run.logs / PROGRESS_FILE).append({"stage": "read images", "done": 3, "total": 9})
    with FileLock(run.lock):
        assert "read images 3/9" in drawn(one_run(look_at(run), 80))


def test_a_failed_run_says_why(run):
    run.logs.mkdir()
    (run.logs / ERROR_FILE).write_text(json.dumps({"kind": "TrainingError", "message": "so\x1b"}))
    told = drawn(one_run(look_at(run), 80))
    assert f"{NAME}  failed" in told
    assert r"so\x1b" in told


def test_a_curve_in_one_line():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0, 7, 7], 2) == "▁█"
    assert sparkline([1.0, float("nan"), 2.0], 3) == "▁ █"
    assert sparkline([5.0, 5.0], 4) == "▁▁"
    assert sparkline([float("nan")], 4) == ""


def test_an_output_folder_shows_runs_cells_and_jobs(run, tmp_path):
    steps(run, 3)
    (tmp_path / "matrix").mkdir()
    (tmp_path / "matrix" / "dama-tiny-seed1.json").write_text('{"state": "failed", "told": "x"}')
    (tmp_path / "matrix" / "dama-tiny-seed2.json").write_text('{"state": "fai')
    jobs = tmp_path / "slurm"
    jobs.mkdir()
    (jobs / "dpo-7b-01234567.job").write_text("41\n")
    (jobs / "dpo-7b-seed0-41.log").write_text("check pairs: 5/9\n\n")
    (jobs / "dama-7b-01234567.job").write_text("42\n")
    found = all_in(tmp_path)
    assert [look.name for look in found.looks] == [NAME]
    assert found.others == (
        ("cell dama-tiny-seed1", "failed"),
        ("cell dama-tiny-seed2", "its note is being written"),
        ("job 42 dama-7b", "in the queue"),
        ("job 41 dpo-7b", "check pairs: 5/9"),
    )
    assert found.goes_on  # a job waits


def test_the_command_prints_one_frame_at_80_columns(run, tmp_path, monkeypatch):
    steps(run, 5)
    monkeypatch.setattr(console.results, "width", 80)
    for words in ([NAME, "--out", str(tmp_path)], ["--out", str(tmp_path)], [str(run.path)]):
        result = CliRunner().invoke(app, ["watch", *words, "--once"])
        assert result.exit_code == 0, result.output
        assert NAME in result.output
        assert max(map(len, result.output.splitlines())) <= 80


def test_an_unknown_run_is_named_with_those_there_are(run, tmp_path):
    result = CliRunner().invoke(app, ["watch", "dpo-tiny", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert NAME in str(result.exception)


def test_it_ends_when_the_run_ends(run, monkeypatch):
    steps(run, 5)
    monkeypatch.setattr(follow, "results", Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setattr(follow, "_EVERY_S", 0.01)
    lock = FileLock(run.lock)
    lock.acquire()
    monkeypatch.setattr(follow.time, "sleep", lambda _: lock.release())
    follow.watch([run.path], run.path, once=False)
    assert "stopped" in follow.results.file.getvalue()


def test_ctrl_c_ends_it_without_a_word(run, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "results", Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setattr(follow.time, "sleep", interrupted)
    with FileLock(run.lock):
        follow.watch([run.path], run.path, once=False)
    assert "Traceback" not in follow.results.file.getvalue()
