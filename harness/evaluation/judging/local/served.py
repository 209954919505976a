"""The engine vLLM: its server on this machine, asked as any endpoint is, and ended with us."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

from harness.console import track
from harness.costs.devices import gpus, local_device
from harness.errors import JudgeError, RefusedRequest
from harness.evaluation.judging.local.batched import log_of, place_of, tail
from harness.evaluation.judging.local.server import Server, start
from harness.llm.chat import ChatService
from harness.llm.messages import ChatReply, ChatRequest, ChatSettings
from harness.llm.store import ReplyStore
from harness.models.text import TextModel

AT_ONCE = 64
"""Requests in flight: vLLM batches them by itself."""
LONGEST_CONTEXT = 16_384
"""Positions to make room for; the judges' questions are far shorter."""
_DEATH_S = 1.0
"""Within it a server whose connections broke is seen to have ended."""
_SHARE = 0.7
"""Of a GPU's memory, for weights; the rest is for the questions."""
_SWITCH = "enable_thinking"


class LocalService(ChatService):
    """The server as a service whose replies are stored by what the model is, not by its port."""

    def __init__(self, place: str, settings: ChatSettings, store: Path) -> None:
        self._place = place
        super().__init__(settings, store)

    @property
    def endpoint(self) -> str:
        """What replies are stored under."""
        return self._place


class Served:
    """A text model behind a vLLM server, which is started when something is asked.

    Args:
        model: What it serves.
        command: How the server is started, up to the model's folder.
        store: File of the replies.
    """

    name = "vllm"

    def __init__(self, model: TextModel, command: Sequence[str], store: Path) -> None:
        self.model, self.label = model.revision, model.label
        self._files, self._command = model, tuple(command)
        self._place = place_of(self.name, model)
        self._path, self._store = store, ReplyStore(store)
        self._server: Server | None = None
        self._key: Path | None = None
        self._open = ExitStack()

    def known(self, request: ChatRequest) -> ChatReply | None:
        """Return the stored reply."""
        return self._store.recall(self._place, request)

    def forget(self, request: ChatRequest) -> None:
        """Drop the stored reply."""
        self._store.forget(self._place, request)

    def answer(self, requests: Sequence[ChatRequest], told: str) -> None:
        """Ask the server, which is started if it does not run.

        One request that is refused does not keep the others from being answered.

        Raises:
            RefusedRequest: It refused a request; the others are answered.
            JudgeError: It does not start, or has ended.
        """
        server = self._running()
        service = LocalService(self._place, self._settings(server), self._path)
        failure: JudgeError | None = None
        refusal: RefusedRequest | None = None
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            with track(told, len(requests)) as tracker:
                futures = [pool.submit(service.ask, request) for request in requests]
                for future in as_completed(futures):
                    try:
                        future.result()
                    except RefusedRequest as error:
                        refusal = refusal or error
                    except JudgeError as error:
                        failure = failure or error
                        _check_alive(server, error)
                    tracker.advance()
        except (KeyboardInterrupt, SystemExit):
            self.close()  # what is in flight could take minutes
            raise
        finally:
            service.stop()
            pool.shutdown(cancel_futures=True)
        stop = failure or refusal
        if stop is not None:
            raise stop

    def close(self) -> None:
        """End the server."""
        self._open.close()
        self._server = None

    def _running(self) -> Server:
        """Return the server; one that has ended is started anew."""
        if self._server is not None and self._server.code is None:
            return self._server
        self.close()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        command = [*self._command, str(self._files.folder), *self._options(folder)]
        server = start(command, self.model, log_of(self.name, self.model), self.label)
        self._open.callback(server.end)
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text(server.key, "ascii")
        self._key, self._server = key, server
        return server

    def _options(self, folder: Path) -> list[str]:
        longest = min(LONGEST_CONTEXT, self._files.context or LONGEST_CONTEXT)
        # Of the model's own settings only its ends stay: a penalty or a temperature is not greedy.
        options = ["--generation-config", "vllm", "--max-model-len", str(longest)]
        if (count := gpus_for(self._files.folder)) > 1:
            options += ["--tensor-parallel-size", str(count)]
        template = self._files.template or ""
        if _SWITCH in template:
            # In the template itself, since the ways to say so to a server differ by its version.
            file = folder / "chat_template.jinja"
            file.write_text(f"{{%- set {_SWITCH} = false %}}{template}", "utf-8")
            options += ["--chat-template", str(file)]
        return options

    def _settings(self, server: Server) -> ChatSettings:
        return ChatSettings(
            base_url=f"{server.url}/v1",
            key_file=self._key,
            workers=AT_ONCE,
            attempts=3,
            timeout=600,
            longest_wait=2,
        )


def _check_alive(server: Server, error: JudgeError) -> None:
    if (code := server.process.wait(_DEATH_S)) is not None:
        raise JudgeError(
            f"vLLM ended with exit code {code}; the end of {server.log}:\n{tail(server.log)}\n"
        ) from error


def gpus_for(folder: Path) -> int:
    """Return how many GPUs share the weights: a power of two, as the heads of models can be."""
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    most, memory, count = len(gpus()), local_device().memory_bytes, 1
    while size > _SHARE * count * memory and 2 * count <= most:
        count *= 2
    return count
