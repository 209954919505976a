"""Progress goes to stderr, and is readable where no bar can be drawn."""

import pytest

from harness.console import track


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
