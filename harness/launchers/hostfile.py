"""Training on several hosts over ssh, listed in a file in DeepSpeed's format."""

import os
import random
import re
import shlex
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from harness.errors import ConfigError, PreflightError, in_words, without_secrets
from harness.launchers.interpreter import safe_paths
from harness.launchers.launcher import Part, exit_meaning
from harness.launchers.node import node_words

SSH = (
    "ssh",
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=10"),
    *("-o", "ServerAliveCountMax=3"),
)
"""Asks for no password, and gives a silent host up after half a minute."""
SSH_FAILED = 255

_LINE = re.compile(r"(?P<host>[A-Za-z0-9_@.:][-A-Za-z0-9_@.:]*)\s+slots=(?P<slots>[1-9][0-9]*)")
_FORWARDED = {"XDG_CACHE_HOME", "OMP_NUM_THREADS", "PYTHONPATH", "DS_ACCELERATOR"}
_FORWARDED_PREFIXES = ("HARNESS_", "HF_", "NCCL_", "GLOO_", "TORCH_")
_SECRET = ("TOKEN", "KEY", "SECRET", "PASSWORD")
_PORTS = range(20_000, 30_000)
"""Below those that systems hand out to outgoing connections."""


@dataclass(frozen=True)
class Host:
    """One line of a host file."""

    name: str
    slots: int
    """Training processes, one per device."""
    place: str
    """File and line, for messages."""

    @property
    def address(self) -> str:
        """The name without a user."""
        return self.name.rpartition("@")[2]


@dataclass(frozen=True)
class HostfileLauncher:
    """A share of the processes on each of several hosts; the first one is the meeting point."""

    hosts: tuple[Host, ...]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read lines `host slots=4`; what follows # is a comment.

        Raises:
            ConfigError: The file is not there, names no host, or a line is wrong.
        """
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The host file {file} cannot be read: {in_words(error)}.") from error
        stated = [(i, line.partition("#")[0].strip()) for i, line in enumerate(lines, 1)]
        hosts = [_host(line, f"{file}, line {i}") for i, line in stated if line]
        if not hosts:
            raise ConfigError(f"{file} names no host. Write a line for each: node1 slots=4")
        places: dict[str, str] = {}
        for host in hosts:
            if host.name in places:
                raise ConfigError(f"{host.place}: {host.name} stands in {places[host.name]} too.")
            places[host.name] = host.place
        return cls(tuple(hosts))

    @cached_property
    def processes(self) -> int:
        """The sum of the slots."""
        return sum(host.slots for host in self.hosts)

    def check(self, processes: int) -> None:
        """Ask every host, all at the same time, whether it has this folder and this Python.

        Raises:
            PreflightError: Some cannot be reached or have not; all are listed.
        """
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            problems = [problem for problem in pool.map(_problem, self.hosts) if problem]
        if problems:
            raise PreflightError("\n".join((*problems, "Nothing was started on any host.")))

    def parts(self, run: Path, processes: int) -> list[Part]:
        """Return one ssh session per host."""
        port = _free_port()
        return [
            Part(
                host.name,
                (*SSH, host.name, _in_this_folder(words)),
                os.environ,
                remote=True,
            )
            for rank, host in enumerate(self.hosts)
            for words in [
                node_words(
                    run,
                    nodes=len(self.hosts),
                    processes=host.slots,
                    master=self.hosts[0].address,
                    port=port,
                    rank=rank,
                )
            ]
        ]

    def explain(self, part: str, code: int) -> str:
        """Tell a lost host from training that failed there."""
        if code == SSH_FAILED:
            return (
                f"The connection to {part} was lost: the machine, its network or what ssh started "
                f"there is gone. Training was ended on the other hosts. If {part} stays away, "
                "take its line out of the host file."
            )
        return exit_meaning(part, code)


def _host(line: str, place: str) -> Host:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ConfigError(f"{place}: {line!r} is not of the form: node1 slots=4")
    return Host(found["host"], int(found["slots"]), place)


def _in_this_folder(words: list[str]) -> str:
    """Return the words as one line for the shell of another host, with this environment."""
    given = forwarded() | safe_paths()
    assigned = [f"{name}={value}" for name, value in sorted(given.items())]
    return f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(['env', *assigned, *words])}"


def forwarded() -> dict[str, str]:
    """Return the variables that other hosts need too; never one that holds a key."""
    return {
        name: value
        for name, value in os.environ.items()
        if (name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES))
        and not any(word in name for word in _SECRET)
        and without_secrets(value) == value
    }


def _problem(host: Host) -> str | None:
    line = _in_this_folder([sys.executable, "-c", "import harness.launchers.node"])
    try:
        asked = subprocess.run(
            [*SSH, host.name, line], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except FileNotFoundError:
        return f"{host.place}: there is no program ssh on this machine."
    if asked.returncode == 0:
        return None
    said = asked.stderr.strip() or f"exit code {asked.returncode}"
    if asked.returncode == SSH_FAILED:
        return (
            f"{host.place}: {host.name} cannot be reached: {said}\n"
            f"This must work without a password: ssh -o BatchMode=yes {host.name} true"
        )
    return (
        f"{host.place}: {host.name} cannot run this program: {said}\n"
        f"It needs the folder {Path.cwd()} and {sys.executable}, as this machine has them."
    )


def _free_port() -> int:
    """Return a random port that is free here, which is most often the first host."""
    for port in random.SystemRandom().sample(_PORTS, 20):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port
    raise PreflightError("None of 20 ports tried is free for the training processes to meet.")
