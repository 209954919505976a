"""The engine transformers: a process of its own that answers in batches and then frees its device.

It stores each batch when it is finished, so that a kill at any moment loses that one.
"""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from harness.console import messages, track
from harness.errors import JudgeError
from harness.evaluation.judging.local.worker import as_job
from harness.files.cache import cache_dir
from harness.launchers.interpreter import safe_paths
from harness.launchers.logged import run_logged
from harness.llm.messages import ChatReply, ChatRequest
from harness.llm.store import ReplyStore
from harness.models.text import TextModel

WORKER = "harness.evaluation.judging.local.worker"
TAIL_LINES = 20


class Batched:
    """A text model that transformers runs."""

    name = "transformers"

    def __init__(self, model: TextModel, store: Path) -> None:
        self.model, self.label = model.revision, model.label
        self._folder = model.folder
        self._place = place_of(self.name, model)
        self._store = ReplyStore(store)

    def known(self, request: ChatRequest) -> ChatReply | None:
        """Return the stored reply."""
        return self._store.recall(self._place, request)

    def forget(self, request: ChatRequest) -> None:
        """Drop the stored reply."""
        self._store.forget(self._place, request)

    def close(self) -> None:
        """Do nothing: the process ended with its work."""

    def answer(self, requests: Sequence[ChatRequest], told: str) -> None:
        """Run the process that answers; it dies with this one.

        Raises:
            JudgeError: It failed; the message holds the end of its log.
        """
        log = log_of(self.name, self.model)
        messages.print(f"judge {self.label}: loading the model by transformers", markup=False)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            job, progress = Path(folder) / "job.json", Path(folder) / "progress"
            values = {
                "folder": str(self._folder),
                "place": self._place,
                "store": str(self._store.path),
                "progress": str(progress),
                "requests": [as_job(request) for request in requests],
            }
            job.write_text(json.dumps(values), "utf-8")
            tracker = None
            done = 0

            def look() -> None:
                nonlocal tracker, done
                if not progress.exists():
                    return
                tracker = tracker or stack.enter_context(track(told, len(requests)))
                now = int(progress.read_text("utf-8"))
                tracker.advance(now - done)
                done = now

            code = run_logged([sys.executable, "-m", WORKER, str(job)], log, _environment(), look)
        if code != 0:
            raise JudgeError(
                f"transformers failed with exit code {code}; the end of {log}:\n{tail(log)}\n"
            )


def place_of(engine: str, model: TextModel) -> str:
    """Return what replies are stored under beside the request: no other engine answers for it."""
    return f"local {engine} {model.revision}"


def log_of(engine: str, revision: str) -> Path:
    """Return the file that gets what the process of a judge says."""
    return cache_dir() / "judges" / f"{engine}-{revision[:12]}-{os.getpid()}.log"


def tail(log: Path) -> str:
    """Return the end of a log."""
    lines = log.read_text("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


def _environment() -> dict[str, str]:
    return (
        os.environ
        | safe_paths()
        | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
    )
