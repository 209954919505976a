"""How responses become sub-sentences: by rule, or by a language model whose replies are checked."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import yaml
from pydantic import BaseModel, ConfigDict

from harness.data.columns import splitting
from harness.data.columns.clip import folder_digest
from harness.data.columns.coverage import departure, words
from harness.errors import ConfigError, JudgeError
from harness.files.digests import file_digest
from harness.llm.chat import ChatRequest, ChatService
from harness.settings.spec import HardnessSpec

_FENCE = "```"
_MARGIN_TOKENS = 64


@dataclass(frozen=True)
class NotSplit:
    """A language model's reply that is no splitting of the response."""

    reason: str


Pieces = list[str] | NotSplit


class Splitter(Protocol):
    """Splits responses."""

    def split(self, responses: Sequence[str]) -> list[Pieces]:
        """Return the sub-sentences of every response, in order."""


class Prompt(BaseModel):
    """What a language model is told; the version stands for the wording in cache keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    system: str
    user: str

    def messages(self, response: str) -> tuple[tuple[str, str], ...]:
        """Return (role, content) for one response."""
        return ("system", self.system), ("user", self.user.replace("{response}", response))


@cache
def read_prompt() -> Prompt:
    """Return the prompt of this version of the harness."""
    text = files("harness.data.columns").joinpath("splitting_prompt.yaml").read_text("utf-8")
    return Prompt.model_validate(yaml.safe_load(text))


class BySentences:
    """The rule: sentence boundaries."""

    def split(self, responses: Sequence[str]) -> list[Pieces]:
        """Never fails."""
        return [splitting.split_sentences(response) for response in responses]


class ByEndpoint:
    """A language model behind an OpenAI-compatible endpoint; every reply is stored as it comes."""

    def __init__(self, model: str, service: ChatService) -> None:
        self._model = model
        self._service = service

    def split(self, responses: Sequence[str]) -> list[Pieces]:
        """Ask for all distinct responses, several at a time.

        Raises:
            JudgeError: The endpoint cannot be reached, or another model answers.
        """
        distinct = [text for text in dict.fromkeys(responses) if words(text)]
        with ThreadPoolExecutor(self._service.settings.workers) as pool:
            try:
                replies = dict(zip(distinct, pool.map(self._ask, distinct), strict=True))
            except BaseException as error:
                self._service.stop()
                pool.shutdown(cancel_futures=True)
                if isinstance(error, JudgeError):
                    raise JudgeError(
                        f"Splitting responses: {error} Every reply until now is kept; the same "
                        "command goes on with the rest."
                    ) from error
                raise
        return [replies.get(text, [text.strip()]) for text in responses]

    def _ask(self, response: str) -> Pieces:
        request = ChatRequest(
            model=self._model,
            messages=read_prompt().messages(response),
            temperature=0.0,
            max_tokens=reply_limit(response),
        )
        return pieces_of(self._service.ask(request).text, response)


def reply_limit(response: str) -> int:
    """Return a number of tokens that no honest reply exceeds: a token holds at least a byte."""
    return len(response.encode(errors="replace")) + _MARGIN_TOKENS


def pieces_of(reply: str, response: str) -> Pieces:
    """Read the lines of a reply, and check that they are the response."""
    lines = [line.strip() for line in reply.strip().splitlines()]
    if len(lines) > 1 and lines[0].startswith(_FENCE) and lines[-1] == _FENCE:
        lines = lines[1:-1]
    lines = [line for line in lines if words(line)]
    if not lines:
        return NotSplit("the reply holds no words")
    if reason := departure(response, lines):
        return NotSplit(reason)
    return [splitting.without_list_mark(line) or line for line in lines]


def splitter_identity(hardness: HardnessSpec) -> str:
    """Name everything that decides the pieces.

    Raises:
        ConfigError: A language model is to split, and none is named.
    """
    if hardness.splitter == "sentences":
        return f"sentences {file_digest(Path(splitting.__file__))}"
    model = required_model(hardness)
    if hardness.splitter == "local" and Path(model).is_dir():
        model = folder_digest(Path(model))
    return f"{hardness.splitter} {model} prompt {read_prompt().version}"


def required_model(hardness: HardnessSpec) -> str:
    """Return the language model's name.

    Raises:
        ConfigError: None is given.
    """
    if not hardness.splitter_model:
        raise ConfigError(
            f"data.hardness.splitter {hardness.splitter}: which model? Give prepare the option "
            "--splitter-model, or a run --set data.hardness.splitter_model=NAME."
        )
    return hardness.splitter_model
