"""Parts live and die together, and a machine that nobody waits for ends its training."""

import os
import subprocess
import sys
import time

import pytest

from harness.errors import TrainingError
from harness.launchers import node
from harness.launchers.group import Group
from harness.launchers.launcher import Part
from harness.launchers.shared import cache_mark, unseen

SLEEPS = "import time; time.sleep(60)"
READS = "import sys; sys.stdin.read(); sys.exit(0)"
"""A far end: it stays until its standard input ends."""


def part(name, code, remote=False):
    return Part(name, (sys.executable, "-c", code), os.environ, remote)


def test_one_bad_end_ends_all_within_seconds(tmp_path):
    with (tmp_path / "log").open("wb") as output:
        group = Group(
            [part("a", SLEEPS), part("b", "import sys; sys.exit(5)"), part("c", READS, True)],
            output,
        )
        start = time.monotonic()
        assert group.wait(30) == 5
    assert time.monotonic() - start < 20
    assert group.failed == ("b", 5)


def test_good_ends_are_waited_for(tmp_path):
    with (tmp_path / "log").open("wb") as output:
        group = Group([part("a", "print('one')"), part("b", "print('two')")], output)
        assert group.wait(30) == 0
    assert sorted((tmp_path / "log").read_text().split()) == ["one", "two"]
    assert group.failed is None


def test_a_part_that_cannot_start_ends_those_before_it(tmp_path):
    pid = tmp_path / "pid"
    writes = f"import os; open({str(pid)!r}, 'w').write(str(os.getpid())); {SLEEPS}"
    with (tmp_path / "log").open("wb") as output, pytest.raises(TrainingError, match="no-such"):
        Group([part("a", writes), Part("b", ("no-such-program",), os.environ)], output)
    assert not pid.exists() or not os.path.exists(f"/proc/{pid.read_text()}")


def test_beats_reach_a_far_end(tmp_path):
    """It reads a byte a second; without them `harness.launchers.node` takes us for dead."""
    counts = "import os, sys; sys.exit(9 if os.read(0, 1) == b'.' else 8)"
    with (tmp_path / "log").open("wb") as output:
        assert Group([part("far", counts, True)], output).wait(20) == 9


@pytest.fixture
def watched(monkeypatch):
    """An agent with a worker in a session of its own, and the input of a machine."""
    program = (
        "import subprocess, sys; "
        f"subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session=True).wait()"
    )
    agent = subprocess.Popen([sys.executable, "-c", program])
    while not (below := node._below(agent.pid)):
        time.sleep(0.02)
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", buffering=0) as launching:
        monkeypatch.setattr(sys, "stdin", stream)
        yield agent, below, launching


def is_dead(process):
    """A killed process whose parent died too may stay as an entry that runs no more."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def killed(agent, below):
    until = time.monotonic() + 10
    while not all(map(is_dead, below)) and time.monotonic() < until:
        time.sleep(0.02)
    return agent.poll() == -9 and all(map(is_dead, below))


def test_the_end_of_its_input_ends_everything_on_a_machine(watched):
    agent, below, launching = watched
    launching.close()
    assert node._watch(agent) == -9
    assert killed(agent, below)


def test_silence_ends_everything_on_a_machine(watched, monkeypatch):
    agent, below, launching = watched
    monkeypatch.setattr(node, "SILENCE_S", 0.5)
    launching.write(b".")
    assert node._watch(agent) == -9
    assert killed(agent, below)


def test_a_machine_that_shares_run_and_cache_takes_part(tmp_path):
    (tmp_path / "run.yaml").touch()
    assert unseen(tmp_path, cache_mark(), within=0) is None


def test_a_machine_without_the_run_folder_says_so(tmp_path):
    assert "does not see the run folder" in unseen(tmp_path, cache_mark(), within=0)


def test_a_machine_with_a_cache_of_its_own_says_so(tmp_path):
    (tmp_path / "run.yaml").touch()
    assert "set HARNESS_CACHE to a folder on a shared" in unseen(tmp_path, "other", within=0)


def test_a_node_that_does_not_share_starts_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(node, "unseen", lambda *_: "node7 does not see it")
    words = ["--nodes", "1", "--processes", "1", "--master", "m", "--port", "1"]
    assert node.main([str(tmp_path), *words, "--cache-mark", "x"]) == 1
    assert capsys.readouterr().err == f"{node.REFUSED}node7 does not see it\n"
