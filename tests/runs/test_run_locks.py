"""What one process has, another one refuses, waits for or only looks at."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from harness.errors import PreflightError
from harness.files.locks import in_use
from harness.runs.rundir import RunDir

HOLD = """
import sys
from pathlib import Path
from harness.runs.rundir import RunDir
with RunDir(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.readline()
"""
WAIT = """
import sys
from pathlib import Path
from harness.runs.rundir import RunDir
with RunDir(Path(sys.argv[1])).locked(wait=True):
    print("mine", flush=True)
"""


@contextmanager
def process(code, folder):
    """A second process that works on a run."""
    pipe = subprocess.PIPE
    started = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    with started as other:
        yield other
        other.kill()


def test_a_run_is_for_one_process(tmp_path):
    run = RunDir(tmp_path)
    with process(HOLD, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        assert in_use(run.lock)
        with pytest.raises(PreflightError, match="Another process is working on"), run.locked():
            pass
        holder.communicate("let go\n")
    assert not in_use(run.lock)
    with run.locked():
        assert run.lock.exists()


def test_what_runs_share_is_waited_for(tmp_path):
    with process(HOLD, tmp_path) as first:
        assert first.stdout.readline() == "held\n"
        with process(WAIT, tmp_path) as second:
            assert "Waiting for it ..." in second.stderr.readline()
            assert second.poll() is None
            first.communicate("let go\n")
            assert second.communicate(timeout=30)[0] == "mine\n"
            assert second.returncode == 0


def test_looking_makes_no_file(tmp_path):
    assert not in_use(tmp_path / "none" / ".lock")
    assert list(tmp_path.iterdir()) == []
