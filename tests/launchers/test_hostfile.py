"""Host files: what they mean, what is wrong with them, and what other hosts are told."""

import os
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from harness.errors import ConfigError, PreflightError
from harness.launchers.hostfile import HostfileLauncher, forwarded

PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture
def ssh(monkeypatch):
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "hosts.txt"
        file.write_text(text)
        return HostfileLauncher.read(file)

    return read


def test_slots_may_differ_and_are_summed(read):
    launcher = read("# the big one\nnode1 slots=8\n\n  me@10.0.0.2   slots=4 # smaller\n")
    assert [(host.name, host.slots) for host in launcher.hosts] == [
        ("node1", 8),
        ("me@10.0.0.2", 4),
    ]
    assert launcher.processes == 12


@pytest.mark.parametrize(
    "line",
    ["node2", "node2 slots=0", "node2 slots=four", "node2 slots = 4", "slots=4", "-oX=y slots=4"],
)
def test_a_malformed_line_is_named(read, line):
    with pytest.raises(ConfigError, match=r"hosts\.txt, line 2: .* is not of the form: node1 slo"):
        read(f"node1 slots=4\n{line}\n")


def test_a_host_that_stands_twice_is_named_with_both_lines(read):
    with pytest.raises(ConfigError, match=r"line 3: node1 stands in .*hosts\.txt, line 1 too"):
        read("node1 slots=4\nnode2 slots=4\nnode1 slots=2\n")


def test_a_file_without_hosts_and_no_file_are_refused(read, tmp_path):
    with pytest.raises(ConfigError, match="names no host"):
        read("# nothing\n\n")
    with pytest.raises(ConfigError, match=r"none\.txt cannot be read: .*No such file"):
        HostfileLauncher.read(tmp_path / "none.txt")


def test_all_hosts_that_cannot_be_reached_are_listed(read, ssh, monkeypatch):
    monkeypatch.setenv("FAKE_DEAD_HOSTS", "node2 node3")
    launcher = read("localhost slots=1\nnode2 slots=1\nnode3 slots=1\n")
    with pytest.raises(PreflightError) as caught:
        launcher.check(3)
    said = str(caught.value)
    assert "line 2: node2 cannot be reached: ssh: connect to host node2 port 22: No route" in said
    assert "line 3: node3 cannot be reached" in said
    assert "localhost" not in said
    assert said.endswith("Nothing was started on any host.")


def test_a_host_without_this_folder_is_told_apart(read, ssh, monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "gone")
    launcher = read("localhost slots=1\n")
    with pytest.raises(PreflightError, match=r"localhost cannot run this program: .*gone: No such"):
        launcher.check(1)


def test_without_ssh_that_is_said(read, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreflightError, match="there is no program ssh on this machine"):
        read("node1 slots=1\n").check(1)


def test_hosts_get_their_rank_and_slots_and_meet_at_the_first(read, tmp_path):
    launcher = read("me@node1 slots=4\nnode2 slots=2\n")
    parts = launcher.parts(tmp_path / "my run", 6)
    assert [part.name for part in parts] == ["me@node1", "node2"]
    words = [shlex.split(part.command[-1]) for part in parts]
    for rank, slots in enumerate(("4", "2")):
        said = words[rank]
        assert said[:2] == ["cd", str(Path.cwd())]
        assert said[said.index("harness.launchers.node") + 1] == str(tmp_path / "my run")
        options = dict(pairwise(said))
        assert (options["--rank"], options["--processes"]) == (str(rank), slots)
        assert (options["--nodes"], options["--master"]) == ("2", "node1")
    assert words[0][words[0].index("--port") + 1] == words[1][words[1].index("--port") + 1]


def test_a_silent_host_is_given_up_within_a_minute(read, tmp_path):
    """Ten seconds three times."""
    command = read("node1 slots=1\n").parts(tmp_path, 1)[0].command
    assert {"ServerAliveInterval=10", "ServerAliveCountMax=3", "BatchMode=yes"} <= set(command)


def test_no_key_is_forwarded(monkeypatch):
    for name in ("HF_TOKEN", "HF_HUB_TOKEN", "OPENAI_API_KEY", "NCCL_KEY", "HF_HOME", "NCCL_DEBUG"):
        monkeypatch.setenv(name, "value")
    assert {"HF_HOME", "NCCL_DEBUG"} <= forwarded().keys()
    assert not {"HF_TOKEN", "HF_HUB_TOKEN", "OPENAI_API_KEY", "NCCL_KEY"} & forwarded().keys()


@pytest.mark.parametrize("address", ["https://me:word@host/hf", "https://host/hf?token=word"])
def test_nor_is_an_address_that_holds_one(monkeypatch, address):
    """The words of ssh can be read by everybody on both machines."""
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert "HF_ENDPOINT" not in forwarded()
    monkeypatch.setenv("HF_ENDPOINT", "https://host/hf")
    assert forwarded()["HF_ENDPOINT"] == "https://host/hf"
