"""An OpenAI-compatible server on this machine: started on a free port, waited for, and ended."""

import json
import os
import secrets
import socket
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from harness.console import messages, track
from harness.errors import JudgeError
from harness.evaluation.judging.local.batched import tail
from harness.launchers.kept import Kept

HOST = "127.0.0.1"
START_S = 3600.0
"""A large model on a slow disk takes many minutes to load."""
_POLL_S = 0.5
_ASK_S = 5.0


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    url: str
    key: str
    log: Path
    process: Kept

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.code

    def end(self) -> None:
        """End it and everything it started."""
        self.process.end()


def start(command: Sequence[str], model: str, log: Path, label: str) -> Server:
    """Start vLLM's server and wait until it serves the model.

    Args:
        command: Program, folder of the model and options; address and name are added.
        model: What requests call the model.
        log: File that gets what the server says.
        label: What people call the model.

    Raises:
        JudgeError: It cannot be started, or does not serve within an hour.
    """
    port, key = _free_port(), secrets.token_hex(24)
    _reach_without_proxy()
    words = [*command, "--host", HOST, "--port", str(port), "--served-model-name", model]
    log.parent.mkdir(parents=True, exist_ok=True)
    messages.print(f"judge {label}: starting vLLM, which writes {log}", markup=False)
    with log.open("wb") as output:
        process = Kept(words, output, {"VLLM_API_KEY": key} | _OFFLINE)
    server = Server(f"http://{HOST}:{port}", key, log, process)
    try:
        _wait_for(server, model, label)
    except BaseException:
        server.end()
        raise
    return server


_OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""Nothing is to be fetched any more, and nobody is to be told."""


def _wait_for(server: Server, model: str, label: str) -> None:
    started = told = time.monotonic()
    with track(f"judge {label}: seconds until vLLM serves") as tracker:
        while not _is_healthy(server.url):
            now = time.monotonic()
            if server.code is not None:
                raise JudgeError(_failed(server, f"ended with exit code {server.code}"))
            if now - started > START_S:
                raise JudgeError(_failed(server, f"did not serve within {START_S:.0f} seconds"))
            tracker.advance(round(now - told, 1), _last_line(server.log))
            told = now
            time.sleep(_POLL_S)
    if model not in _served(server):
        raise JudgeError(f"another program answers at {server.url}. Run the same command again.")


def _failed(server: Server, how: str) -> str:
    return (
        f"vLLM {how}; the end of {server.log}:\n{tail(server.log)}\nWhere memory was too small, "
        "take a smaller model. Where vLLM is not in order, uninstall it or take it off PATH: "
        "transformers then runs the judge."
    )


def _is_healthy(url: str) -> bool:
    try:
        with _OPENER.open(f"{url}/health", timeout=_ASK_S) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _served(server: Server) -> list[str]:
    """Return the names of the models that the server has for us; nothing where it knows us not."""
    request = urllib.request.Request(
        f"{server.url}/v1/models", headers={"Authorization": f"Bearer {server.key}"}
    )
    try:
        with _OPENER.open(request, timeout=_ASK_S) as answer:
            return [one["id"] for one in json.loads(answer.read())["data"]]
    except (URLError, OSError, ValueError, LookupError, TypeError):
        return []


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port


def _reach_without_proxy() -> None:
    """Keep requests to this machine from a proxy that the environment names."""
    for name in ("no_proxy", "NO_PROXY"):
        hosts = os.environ.get(name, "").split(",")
        if HOST not in hosts:
            os.environ[name] = ",".join(filter(None, [*hosts, HOST]))


def _last_line(log: Path) -> str:
    return tail(log).rpartition("\n")[2][:80]
