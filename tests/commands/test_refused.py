"""What the system refuses a command is one sentence, and a reader that leaves is no fault."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import main

ROOT = Path(__file__).parents[2]
FULL = "No space left on device. Free some space there"


def called(words, stdout, **variables):
    """Return exit code and stderr of a command whose results go into an open file."""
    process = subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), **variables},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return process.returncode, process.stderr


def test_an_error_that_nobody_answered_is_one_sentence(monkeypatch, capsys):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/file")

    monkeypatch.setattr("harness.registry.methods", full)
    monkeypatch.setattr(sys, "argv", ["harness", "list", "methods"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: /some/file: {FULL}")
    assert error.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
@pytest.mark.parametrize("words", [("list", "methods"), ("show", "--method", "dpo")])
def test_results_that_find_no_room_are_told_once(words):
    with open("/dev/full", "w") as stream:
        code, error = called(words, stream)
    assert code == 1
    assert error.startswith(f"error: {FULL}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [("list", "methods"), ("show", "--method", "dpo")])
def test_a_reader_that_left_ends_a_command_quietly(words):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        assert called(words, stream) == (1, "")


def test_a_table_stands_also_where_only_ascii_can_be_printed(tmp_path):
    out = tmp_path / "out.txt"
    with out.open("w") as stream:
        code, error = called(
            ("show", "--method", "dama", "--variant", "released"), stream, PYTHONIOENCODING="ascii"
        )
    assert (code, error) == (0, "")
    assert "method.beta" in out.read_text("ascii")


def test_a_process_that_calls_main_is_ended_by_sigterm_as_before(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["harness", "list", "methods"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        main()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(os.name != "posix", reason="closes a stream of a child")
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_is_no_fault(closed):
    command = f'exec "{sys.executable}" -m harness list methods {closed}'
    ended = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
