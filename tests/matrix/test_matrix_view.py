"""The cells are shown so that a narrow window and a file can be read."""

import io

from rich.console import Console

from harness.matrix.stage import Stage
from harness.matrix.state import Standing, State
from harness.matrix.view import shown, table


def drawn(standings, height):
    console = Console(width=80, height=height, file=io.StringIO())
    console.print(table(standings, height))
    return console.file.getvalue().splitlines()


def standings_of(bench, count):
    return [Standing(cell) for cell in bench.cells(tuple(range(count)))]


def test_a_low_window_shows_what_runs_and_what_failed_and_says_what_is_left_out(bench):
    """Of 10 lines 6 are the frame's, so 4 of 20 cells are shown."""
    standings = standings_of(bench, 20)
    standings[12].become(State.FAILED, "no luck " * 20)
    standings[17].become(State.RUNNING)
    standings[17].at(Stage("training", "10/164"))
    lines = drawn(standings, 10)
    assert len(lines) <= 10
    assert lines[0].strip() == "18 queued, 1 running, 1 failed"
    shown_cells = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert shown_cells == [f"dpo tiny seed {seed}" for seed in (0, 1, 12, 17)]
    assert any("training 10/164" in line for line in lines)
    assert lines[-1].strip() == "and 16 more, for which the window is too low"
    assert max(map(len, lines)) <= 80


def test_where_there_is_no_terminal_every_change_is_one_line(bench, capsys):
    standings = standings_of(bench, 2)
    with shown() as show:
        show(standings)
        standings[0].become(State.RUNNING)
        for step in (10, 20):
            standings[0].at(Stage("training", f"{step}/164"))
            show(standings)
        standings[0].become(State.DONE, "0.1 min")
        show(standings)
        show(standings)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "dpo tiny seed 0 running: training 10/164",
        "dpo tiny seed 0 done: 0.1 min",
    ]
    assert captured.out == ""
