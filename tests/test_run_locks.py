"""What one process has, another one refuses, waits for or only looks at."""

import threading

import pytest

from harness.errors import PreflightError
from harness.rundir import RunDir, in_use


def test_a_run_is_for_one_process(tmp_path):
    run = RunDir(tmp_path)
    refused = pytest.raises(PreflightError, match="Another process is working on")
    with run.locked(), refused, run.locked():
        pass
    with run.locked():
        assert in_use(run.lock)
    assert not in_use(run.lock)


def test_what_runs_share_is_waited_for(tmp_path, capsys):
    run = RunDir(tmp_path)
    order = []

    def second():
        with run.locked(wait=True):
            order.append("second")

    with run.locked():
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(1.0)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]
    assert "Waiting for it ..." in capsys.readouterr().err


def test_looking_makes_no_file(tmp_path):
    assert not in_use(tmp_path / "none" / ".lock")
    assert list(tmp_path.iterdir()) == []
