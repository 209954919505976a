"""A lock keeps a second holder out, whatever another library does to its kind."""

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path

import filelock
from lmms_eval.evaluator import _enable_reentrant_filelocks

_enable_reentrant_filelocks()
path = sys.argv[1]
print("shared", filelock.FileLock(path) is filelock.FileLock(path))

from harness.errors import PreflightError
from harness.files.locks import FileLock
from harness.runs.rundir import RunDir
from harness.files.locks import in_use

print("ours shared", FileLock(path) is FileLock(path))
run = RunDir(Path(path).parent)
with run.locked():
    print("in use", in_use(run.lock))
    try:
        with run.locked():
            print("let in")
    except PreflightError:
        print("kept out")
print("in use", in_use(run.lock))
"""


def test_lmms_eval_s_shared_locks_are_not_ours(tmp_path):
    """In a process of its own, since what lmms-eval changes stays changed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "lock")],
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line for line in done.stdout.splitlines() if line]
    assert said == [
        "shared True",
        "ours shared False",
        "in use True",
        "kept out",
        "in use False",
    ]
