"""Judges: language models, recorded replies, and the tiny world's oracle.

A judge answers all calls about one sample. A call that fails stops the evaluation with a
JudgeError; what was answered before is kept, so that the same command continues.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.types import FAILED_CALL, Call, LLMJudge, Response, Sample, SampleId
from harness.errors import ConfigError, DataError, JudgeError

if TYPE_CHECKING:
    from openai import OpenAI

    from harness.world.oracle import Oracle

ATTEMPTS = 8
"""Tries of one call while the network or the service fails."""


@dataclass(frozen=True)
class Question:
    """Everything a judge may need to know about one response."""

    benchmark: str
    annotator: LLMJudge
    sample: Sample
    response: Response
    request: Callable[[], str]
    """Writes the message; recorded replies need none, so it is written on demand."""


class Judge(Protocol):
    """Anything that gives the replies about a response."""

    concurrency: int
    """Questions it answers at the same time."""

    def name(self, annotator: LLMJudge) -> str:
        """Return who judged, as shown on the scorecard."""

    def replies(self, question: Question) -> list[str]:
        """Return the replies in call order."""


def climb(question: Question, ask: Callable[[str, Call, int], str]) -> list[str]:
    """Call until a reply is readable or the calls are used up."""
    request = question.request()
    replies: list[str] = []
    for number, call in enumerate(question.annotator.calls):
        replies.append(ask(request + call.suffix, call, number))
        if question.annotator.readable(replies[-1]):
            break
    return replies


class ReplayJudge:
    """Replies recorded earlier: JSONL of {"id", "replies"} or {"id", "runs": [[...], ...]}."""

    concurrency = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        self._replies: dict[SampleId, list[str]] = {}
        try:
            lines = path.read_text("utf-8").split("\n")
        except OSError as error:
            raise DataError(f"{path}: cannot read the recorded replies ({error})") from error
        for number, line in enumerate(lines, start=1):
            if line.strip():
                self._add(line, f"{path}:{number}")

    def _add(self, line: str, where: str) -> None:
        try:
            row = json.loads(line)
            runs = row["runs"] if "runs" in row else [row["replies"]]
            replies = [_recorded(reply) for run in runs for reply in run]
            sample_id = row["id"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise DataError(
                f'{where}: expected {{"id": ..., "replies": [...]}} or "runs" ({error!r})'
            ) from error
        if sample_id in self._replies:
            raise DataError(f"{where}: id {sample_id!r} stands twice. Keep one line per sample.")
        self._replies[sample_id] = replies

    def name(self, annotator: LLMJudge) -> str:
        """Return the model that the benchmark asks for: the recording does not name another."""
        return f"{annotator.model} (recorded replies)"

    def replies(self, question: Question) -> list[str]:
        """Return the recorded replies of all runs, one after the other."""
        if question.sample.id not in self._replies:
            raise JudgeError(
                f"{self.path}: no replies for sample {question.sample.id!r} of benchmark "
                f"'{question.benchmark}'. Record them, or choose another judge."
            )
        return self._replies[question.sample.id]

    def recorded(self, sample_id: SampleId) -> list[str]:
        """Return what is recorded, nothing included."""
        return self._replies.get(sample_id, [])


def _recorded(reply: Any) -> str:
    """Return a reply as text; null is an empty reply, an error a refused call."""
    if isinstance(reply, dict) and "error" in reply:
        return FAILED_CALL
    if reply is None:
        return ""
    if isinstance(reply, str):
        return reply
    return json.dumps(reply)


class OracleJudge:
    """The tiny world's judge, which knows what is in every picture."""

    concurrency = 1

    def __init__(self, oracle: "Oracle") -> None:
        self._oracle = oracle

    def name(self, _annotator: LLMJudge) -> str:
        """Return a name that no model has."""
        return "oracle (tiny world)"

    def replies(self, question: Question) -> list[str]:
        """Ask the oracle until the reply is readable."""

        def ask(request: str, _call: Call, number: int) -> str:
            return self._oracle.reply(
                question.benchmark, question.sample, question.response, request, number
            )

        return climb(question, ask)


class OpenAIJudge:
    """A model behind an OpenAI-compatible endpoint; key and address come from the environment.

    Args:
        model: Model to ask instead of the one that belongs to the benchmark; it is named on the
            scorecard.
    """

    concurrency = 8

    def __init__(self, model: str | None = None) -> None:
        if not os.environ.get("OPENAI_API_KEY"):
            raise ConfigError(
                "judge 'openai' needs a key. Set OPENAI_API_KEY (and OPENAI_BASE_URL for another "
                "endpoint), or use --judge replay:FILE."
            )
        self._model = model
        self._client = _client()

    def name(self, annotator: LLMJudge) -> str:
        """Return the model and, if it is another, which one it stands for."""
        if self._model in (None, annotator.model):
            return annotator.model
        return f"{self._model} instead of {annotator.model}"

    def replies(self, question: Question) -> list[str]:
        """Ask the model until the reply is readable."""
        annotator = question.annotator

        def ask(request: str, call: Call, _number: int) -> str:
            return self._ask(annotator, request, call)

        return climb(question, ask)

    def _ask(self, annotator: LLMJudge, request: str, call: Call) -> str:
        import openai
        from tenacity import (
            RetryError,
            Retrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_random_exponential,
        )

        passing = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)
        model = self._model or annotator.model
        retrying = Retrying(
            retry=retry_if_exception_type(passing),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(max=60),
        )
        try:
            answer = retrying(self._create, model, annotator, request, call)
        except RetryError as error:
            cause = type(error.last_attempt.exception()).__name__
            raise JudgeError(
                f"judge {model!r} could not be reached in {ATTEMPTS} attempts ({cause}). "
                "Run the same command again: replies so far are kept."
            ) from error
        except openai.OpenAIError as error:
            raise JudgeError(f"judge {model!r} refused the request: {error}") from error
        if answer.model != model:
            raise JudgeError(
                f"asked judge {model!r}, but {answer.model!r} answered. Ask for it by its exact "
                f"name: --judge openai:{answer.model}"
            )
        return answer.choices[0].message.content or ""

    def _create(self, model: str, annotator: LLMJudge, request: str, call: Call) -> Any:
        messages = [{"role": annotator.role, "content": request}]
        if annotator.system is not None:
            messages.insert(0, {"role": "system", "content": annotator.system})
        limit = {} if annotator.max_tokens is None else {"max_tokens": annotator.max_tokens}
        create: Any = self._client.chat.completions.create
        return create(model=model, messages=messages, temperature=call.temperature, **limit)


def _client() -> "OpenAI":
    from openai import OpenAI

    # Retries are counted in one place, by the judge.
    return OpenAI(max_retries=0, timeout=120.0)
