"""Judges: what all of them can do, language models, and the tiny world's oracle.

A judge answers all calls about one sample. A call that fails stops the evaluation with a
JudgeError; what was answered before is kept, so that the same command continues.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from benchmarks.types import Call, LLMJudge, NounTagger, Response, Sample, SampleId
from harness.errors import ConfigError
from harness.llm.budget import Spent
from harness.llm.messages import ChatRequest

if TYPE_CHECKING:
    from harness.llm.chat import ChatService
    from harness.world.oracle import Oracle


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

    @property
    def recorded(self) -> bool:
        """Whether its replies lie in a file already, so that nobody keeps them again."""

    @property
    def spent(self) -> Spent | None:
        """What was paid so far; None where nothing is ever paid."""

    def name(self, annotator: LLMJudge) -> str:
        """Return who judged, as shown on the scorecard."""

    def prepare(self, questions: Sequence[Question]) -> None:
        """Hear all that will be asked about a benchmark's answers, before the first question."""

    def replies(self, question: Question) -> list[str]:
        """Return the replies in call order."""

    def tagged(self, annotator: LLMJudge | NounTagger, sample_id: SampleId) -> str | None:
        """Return a tagger's reply that was recorded with the judge's, or None."""

    def planned(self, question: Question) -> tuple[list[ChatRequest], int]:
        """Return the calls that a question needs at least, and how many replies are stored."""

    def stop(self) -> None:
        """Begin no further call in any thread."""


class FreeJudge:
    """What judges have in common that are paid nothing and answer one question at a time."""

    concurrency = 1
    recorded = False
    spent: Spent | None = None

    def tagged(self, _annotator: LLMJudge | NounTagger, _sample_id: SampleId) -> str | None:
        """Return nothing: no tagger's reply is recorded."""
        return None

    def planned(self, _question: Question) -> tuple[list[ChatRequest], int]:
        """Return no call."""
        return [], 0

    def prepare(self, _questions: Sequence[Question]) -> None:
        """Do nothing: each question is answered by itself."""

    def stop(self) -> None:
        """Do nothing: there is no other thread."""


def climb(question: Question, ask: Callable[[str, Call, int], str]) -> list[str]:
    """Call until a reply is readable or the calls are used up."""
    request = question.request()
    replies: list[str] = []
    for number, call in enumerate(question.annotator.calls):
        replies.append(ask(request + call.suffix, call, number))
        if question.annotator.readable(replies[-1]):
            break
    return replies


class OracleJudge(FreeJudge):
    """The tiny world's judge, which knows what is in every picture."""

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
    """A model behind an OpenAI-compatible endpoint.

    Args:
        model: Model to ask instead of the one that belongs to the benchmark; it is named on the
            scorecard.
        service: Way to the endpoint; None takes key and address from the environment.
        runs: How often every question is judged, where the benchmark reads several runs.
    """

    recorded = False

    def __init__(
        self, model: str | None = None, service: "ChatService | None" = None, runs: int = 1
    ) -> None:
        if service is None:
            from harness.llm.chat import ChatService, ChatSettings, default_store

            service = ChatService(ChatSettings(), default_store())
        self._service = service
        self.concurrency = service.settings.workers
        self._model = model
        self._runs = runs

    @property
    def spent(self) -> Spent:
        """What the service was paid so far."""
        return self._service.spent

    def stop(self) -> None:
        """Begin no further call; those in flight end and are stored."""
        self._service.stop()

    def prepare(self, _questions: Sequence[Question]) -> None:
        """Do nothing: each question is answered by itself."""

    def tagged(self, _annotator: LLMJudge | NounTagger, _sample_id: SampleId) -> str | None:
        """Return nothing: no tagger's reply is recorded."""
        return None

    def name(self, annotator: LLMJudge) -> str:
        """Return the model, how many runs, and if it is another, which one it stands for."""
        runs = f", {self._runs} runs" if self._runs > 1 else ""
        if self._model in (None, annotator.model):
            return f"{annotator.model}{runs}"
        return f"{self._model} instead of {annotator.model}{runs}"

    def replies(self, question: Question) -> list[str]:
        """Ask the model until the reply is readable, in every run anew.

        Raises:
            ConfigError: The benchmark cannot read several runs.
            JudgeError: A call failed for good.
        """
        self._check_runs(question)

        def ask(run: int, request: str, call: Call, number: int) -> str:
            return self._service.ask(self._request(question, run, request, call, number)).text

        return [reply for run in range(self._runs) for reply in climb(question, partial(ask, run))]

    def planned(self, question: Question) -> tuple[list[ChatRequest], int]:
        """Return the calls that a question needs at least, and how many replies are stored."""
        self._check_runs(question)
        needed: list[ChatRequest] = []
        recalled = 0
        text = question.request()
        for run in range(self._runs):
            for number, call in enumerate(question.annotator.calls):
                request = self._request(question, run, text + call.suffix, call, number)
                reply = self._service.known(request)
                if reply is None:
                    needed.append(request)
                    break
                recalled += 1
                if question.annotator.readable(reply.text):
                    break
        return needed, recalled

    def _request(
        self, question: Question, run: int, request: str, call: Call, number: int
    ) -> ChatRequest:
        # The same words again, in the next run or after an unreadable reply, are a new call.
        repeat = run * len(question.annotator.calls) + number
        return chat_request(question.annotator, request, call, repeat, self._model)

    def _check_runs(self, question: Question) -> None:
        if self._runs > 1 and not question.annotator.several_runs:
            raise ConfigError(
                f"benchmark '{question.benchmark}' is judged in one run. Leave --judge-runs out."
            )


def chat_request(
    annotator: LLMJudge, request: str, call: Call, repeat: int = 0, model: str | None = None
) -> ChatRequest:
    """Lay out a call as the benchmark's judge is asked; `model` replaces its own."""
    system = () if annotator.system is None else (("system", annotator.system),)
    return ChatRequest(
        model=model or annotator.model,
        messages=(*system, (annotator.role, request)),
        temperature=call.temperature,
        max_tokens=annotator.max_tokens,
        repeat=repeat,
    )
