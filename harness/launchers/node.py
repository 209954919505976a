"""One machine of several: `python -m harness.launchers.node RUN_DIR ...`, started over ssh or srun.

It starts torch.distributed.run and ends it, with everything below it, as soon as nobody is there
any more who waits for this machine: its standard input has ended, or been silent for too long.
"""

import argparse
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.launchers.launcher import WORKER
from harness.launchers.lifetime import die_with_parent
from harness.launchers.local import thread_settings
from harness.launchers.shared import cache_mark, unseen

BEAT_S = 1.0
"""How often the launching process writes a byte to each machine."""
SILENCE_S = 50.0
"""After so many seconds without one it, or the way to it, is taken for dead."""
REFUSED = "harness.launchers.node: "
"""Begins the line by which a machine says why it does not take part."""
_POLL_S = 0.2


def node_words(
    run: Path, *, nodes: int, processes: int, master: str, port: int, rank: int | None
) -> list[str]:
    """Return the command of one machine; rank None is what SLURM calls it there."""
    words = [sys.executable, "-m", "harness.launchers.node", str(run)]
    words += ["--nodes", str(nodes), "--processes", str(processes)]
    words += ["--master", master, "--port", str(port), "--cache-mark", cache_mark()]
    return words if rank is None else [*words, "--rank", str(rank)]


def main(words: Sequence[str]) -> int:
    """Train with this machine's share of the processes; return the exit code."""
    asked = _parser().parse_args(words)
    if problem := unseen(asked.run, asked.cache_mark):
        sys.stderr.write(f"{REFUSED}{problem}\n")
        return 1
    # SLURM signals every process of a step. The workers take that as the request to save; this one
    # and the agent, which would kill them after half a minute, wait for their end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    agent = subprocess.Popen(
        _agent(asked),
        stdin=subprocess.DEVNULL,
        env=_environment(asked.processes),
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    code = _watch(agent)
    # As a shell says it, for ssh and srun pass no negative number on.
    return code if code >= 0 else 128 - code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.launchers.node")
    parser.add_argument("run", type=Path)
    for name in ("nodes", "processes", "port"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("master", "cache-mark"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rank", type=int, default=int(os.environ.get("SLURM_NODEID", "0")))
    return parser


def _agent(asked: argparse.Namespace) -> list[str]:
    rendezvous = ["--nnodes", str(asked.nodes), "--node-rank", str(asked.rank)]
    rendezvous += ["--master-addr", asked.master, "--master-port", str(asked.port)]
    processes = ["--nproc-per-node", str(asked.processes)]
    agent = [sys.executable, "-m", "torch.distributed.run", *rendezvous, *processes]
    agent += ["--signals-to-handle", "SIGINT"]
    return [*agent, "-m", WORKER, str(asked.run)]


def _environment(processes: int) -> dict[str, str]:
    # Tools beside the interpreter (ninja) are found although nobody activated it on this machine.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return os.environ | thread_settings(processes) | {"PATH": path}


def _watch(agent: subprocess.Popen[bytes]) -> int:
    """Wait for the agent's end, or bring it about; return its exit code."""
    heard = time.monotonic()
    while agent.poll() is None:
        ready, _, _ = select.select([sys.stdin], [], [], _POLL_S)
        if ready:
            if not os.read(sys.stdin.fileno(), 4096):
                break
            heard = time.monotonic()
        if time.monotonic() - heard > SILENCE_S:
            break
    if agent.poll() is None:
        kill_tree(agent.pid)
    return agent.wait()


def kill_tree(process: int, *, itself: bool = True) -> None:
    """Kill a process and all below it: the workers of torch are in sessions of their own.

    From the top: who survives the ones it started would answer their end.
    """
    for each in [*([process] if itself else []), *_below(process)]:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _below(process: int) -> list[int]:
    """Return the descendants of a process, by what the kernel shows of it."""
    try:
        told = Path(f"/proc/{process}/task/{process}/children").read_text("ascii")
    except OSError:
        return []
    children = [int(word) for word in told.split()]
    return [each for child in children for each in (*_below(child), child)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
