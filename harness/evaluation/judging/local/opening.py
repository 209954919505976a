"""From `local:MODEL[@REVISION]` to a judge: the model is pinned and the engine chosen."""

import importlib.util
import shutil
import sys
from pathlib import Path

from harness.errors import ConfigError
from harness.evaluation.judging.local.batched import Batched
from harness.evaluation.judging.local.judge import KIND, Engine, LocalJudge
from harness.evaluation.judging.local.served import Served
from harness.llm.chat import default_store
from harness.llm.profiles import OFFICIAL, Profile, built_in, profile_of
from harness.models.text import TextModel, find_text_model

_OPEN: dict[TextModel, Engine] = {}
"""Loading takes minutes, and all benchmarks ask the same model."""


def open_local(words: str) -> LocalJudge:
    """Return the judge of a model; nothing is loaded before it is asked.

    Raises:
        ConfigError: No model is named.
        DataError: It cannot be had, or is not whole.
    """
    if not words:
        raise ConfigError(
            f"--judge {KIND}: names no model. Write {KIND}:FOLDER or {KIND}:owner/name[@revision]."
        )
    model = find_text_model(words)
    return LocalJudge(engine_of(model), profile_for(model))


def engine_of(model: TextModel) -> Engine:
    """Return vLLM where it is installed, else transformers; in a process one for each model."""
    if model not in _OPEN:
        command, store = vllm_command(), default_store()
        _OPEN[model] = Served(model, command, store) if command else Batched(model, store)
    return _OPEN[model]


def profile_for(model: TextModel) -> Profile:
    """Return how a model's replies are limited and read: one that must think has room for it.

    Where its template can switch the thoughts off, they are off.
    """
    template = model.template or ""
    can_be_told = "enable_thinking" in template
    thinks = "<think>" in template or profile_of(model.name).name.startswith("open-thinking")
    return built_in()["open-thinking-aloud"] if thinks and not can_be_told else OFFICIAL


def close_engines() -> None:
    """Free the devices of all local judges; one that is asked again starts anew."""
    while _OPEN:
        _OPEN.popitem()[1].close()


def engine_name() -> str:
    """Return the name of the engine that a local judge runs by on this machine."""
    return Served.name if vllm_command() else Batched.name


def vllm_command() -> tuple[str, ...]:
    """Return how vLLM's server is started; nothing where it is not installed."""
    beside = str(Path(sys.executable).parent)
    if program := shutil.which("vllm") or shutil.which("vllm", path=beside):
        return (program, "serve")
    if importlib.util.find_spec("vllm"):
        return (sys.executable, "-m", "vllm.entrypoints.cli.main", "serve")
    return ()


def identity(words: str) -> dict[str, str]:
    """Return what decides the replies of the judge `local:WORDS`."""
    return {"kind": KIND, "model": find_text_model(words).revision, "engine": engine_name()}
