"""Progress goes to stderr, and is readable where no bar can be drawn."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from harness.console import track
from harness.evaluation.generation import launch


def test_without_a_terminal_progress_is_a_first_and_a_last_line(
    capsys: pytest.CaptureFixture[str],
):
    with track("scores", total=3) as tracker:
        for number in range(3):
            tracker.advance(note=f"loss 0.{number}")
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["scores: 0/3", "scores: 3/3 loss 0.2"]
    assert captured.out == ""


def test_an_unknown_total_is_not_invented(capsys: pytest.CaptureFixture[str]):
    with track("pairs") as tracker:
        tracker.advance(5)
    assert capsys.readouterr().err.splitlines() == ["pairs: 0", "pairs: 5"]


WORK = """
from harness.console import results, track
with track("train dama tiny seed 0", 492) as tracker:
    for _ in range(123):
        tracker.advance(note="loss 0.6123 margin +0.123 accuracy 50% pairs/s 12.3")
results.print("x" * 70, soft_wrap=False)
"""


def on_terminal(**environment):
    """Return what a terminal would be sent, by a process of its own, without escapes."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", WORK],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"} | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = bytearray()
    with suppress(OSError):  # how a terminal ends whose other side is closed
        while part := os.read(ours, 4096):
            said += part
    os.close(ours)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r", "\n").split("\n")


@pytest.mark.parametrize("width", [120, 80, 60, 44])
def test_a_bar_keeps_count_and_time_in_a_narrow_window(width):
    lines = [line for line in on_terminal(COLUMNS=str(width)) if line.startswith("train")]
    assert lines
    assert all(
        re.search(r"(0|123)/492 \d:\d\d:\d\d (-:--:--|\d:\d\d:\d\d)", line) for line in lines
    )
    assert max(map(len, lines)) <= width


def test_a_terminal_that_cannot_draw_gets_lines():
    lines = on_terminal(TERM="dumb")
    assert "train dama tiny seed 0: 0/492" in lines
    assert any(line.startswith("train dama tiny seed 0: 123/492 loss 0.6123") for line in lines)


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}], ids=str)
def test_a_pipe_gets_lines_whatever_is_forced(environment):
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.partition(" loss")[0] for line in done.stderr.splitlines()] == [
        "train dama tiny seed 0: 0/492",
        "train dama tiny seed 0: 123/492",
    ]


@pytest.mark.parametrize(("columns", "lines"), [("40", 2), ("", 1)])
def test_results_in_a_pipe_are_as_wide_as_the_user_says(columns, lines):
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == lines


def test_generation_tells_its_progress_in_a_pipe_as_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """By and by, and not at its end alone; nothing before the number of samples is known."""
    monkeypatch.setattr("harness.console.PLAIN_INTERVAL_S", 0)
    standing = iter([(0, 0), (0, 4), (1, 4), (3, 4), (3, 4), (4, 4)])
    now = next(standing)
    monkeypatch.setattr(launch, "progress_of", lambda *_: now)
    with launch._Followed(tmp_path, ["chair"]) as followed:
        followed.look()
        for now in standing:  # noqa: B007  # the patched function reads it
            followed.look()
    told = list(dict.fromkeys(capsys.readouterr().err.splitlines()))
    assert told == [f"generate: {done}/4" for done in (0, 1, 3, 4)]
