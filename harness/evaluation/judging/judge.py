"""Judges: what all of them can do, language models, and the tiny world's oracle.

A judge answers all calls about one sample. A call that fails stops the evaluation with a
JudgeError; what was answered before is kept, so that the same command continues.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from benchmarks.types import (
    FAILED_CALL,
    Call,
    LLMJudge,
    NounTagger,
    Response,
    Sample,
    SampleId,
)
from harness.errors import ConfigError, JudgeError, RefusedRequest
from harness.files.digests import digest_of
from harness.llm.budget import Spent
from harness.llm.messages import ChatRequest, ChatSettings, printable
from harness.llm.profiles import LIMITS, OFFICIAL, profile_of

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

    @property
    def settings(self) -> ChatSettings | None:
        """How many replies may be unreadable or refused; None: any number."""

    def name(self, annotator: LLMJudge) -> str:
        """Return who is asked, as shown on the scorecard where nobody says it better."""

    def manner(self, annotator: LLMJudge) -> str:
        """Return what decides its replies besides its name."""

    def answered_as(self, annotator: LLMJudge) -> str:
        """Return who answered and how it was asked, for the scorecard; empty: as `name` says."""

    def prepare(self, questions: Sequence[Question]) -> None:
        """Hear all that will be asked about a benchmark's answers, before the first question."""

    def replies(self, question: Question) -> list[str]:
        """Return the replies in call order; FAILED_CALL stands for one that was refused."""

    def forget(self, question: Question) -> None:
        """Drop what is stored about a question, so that it is asked anew."""

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
    settings: ChatSettings | None = None

    def manner(self, _annotator: LLMJudge) -> str:
        """Return nothing: the name says it."""
        return ""

    def answered_as(self, _annotator: LLMJudge) -> str:
        """Return nothing: the name says it."""
        return ""

    def forget(self, _question: Question) -> None:
        """Do nothing: nothing is stored."""

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


ORACLE_NAME = "oracle (tiny world)"


class OracleJudge(FreeJudge):
    """The tiny world's judge, which knows what is in every picture."""

    def __init__(self, oracle: "Oracle") -> None:
        self._oracle = oracle

    def name(self, _annotator: LLMJudge) -> str:
        """Return a name that no model has."""
        return ORACLE_NAME

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
        profile: Name or file of what the model accepts; None finds it by the model's name.
    """

    recorded = False

    def __init__(
        self,
        model: str | None = None,
        service: "ChatService | None" = None,
        runs: int = 1,
        profile: str | None = None,
    ) -> None:
        if service is None:
            from harness.llm.chat import ChatService, default_store

            service = ChatService(ChatSettings(), default_store())
        self._service = service
        self.settings = service.settings
        self.concurrency = service.settings.workers
        self._model = model
        self._runs = runs
        self._profile = profile
        self._served: dict[str, str] = {}
        self._lock = threading.Lock()

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
        return self._label(annotator, self._model or annotator.model)

    def manner(self, annotator: LLMJudge) -> str:
        """Return a hash of the profile; nothing where the model is asked as published."""
        profile = profile_of(self._model or annotator.model, self._profile).decisive()
        return "" if profile == OFFICIAL.decisive() else digest_of(profile)

    def answered_as(self, annotator: LLMJudge) -> str:
        """Return the model as it calls itself, and what was sent otherwise than published."""
        asked = self._model or annotator.model
        with self._lock:
            served = self._served.get(annotator.model)
        if served is None:
            return ""
        who = asked if served == asked else f"{asked} ({served})"
        return ", ".join((self._label(annotator, who), *self._others(annotator)))

    def replies(self, question: Question) -> list[str]:
        """Ask the model until the reply is readable, in every run anew.

        Raises:
            ConfigError: The benchmark cannot read several runs.
            JudgeError: A call failed for good, or the model changed.
        """
        self._check_runs(question)
        return [reply for run in range(self._runs) for reply in self._run(question, run)]

    def planned(self, question: Question) -> tuple[list[ChatRequest], int]:
        """Return the calls that a question needs at least, and how many replies are stored."""
        self._check_runs(question)
        needed: list[ChatRequest] = []
        recalled = 0
        for run in range(self._runs):
            for request in self._requests(question, run):
                reply = self._service.known(request)
                if reply is None:
                    needed.append(request)
                    break
                recalled += 1
                if question.annotator.readable(reply.text):
                    break
        return needed, recalled

    def forget(self, question: Question) -> None:
        """Drop the stored replies of all runs."""
        for run in range(self._runs):
            for request in self._requests(question, run):
                self._service.forget(request)

    def _run(self, question: Question, run: int) -> Iterator[str]:
        """Yield the replies of one run; the last can be read, unless there is none such."""
        for request in self._requests(question, run):
            try:
                reply = self._service.ask(request)
            except RefusedRequest:
                yield FAILED_CALL
                return
            self._note_served(question.annotator, reply.model)
            yield reply.text
            if question.annotator.readable(reply.text):
                return

    def _requests(self, question: Question, run: int) -> Iterator[ChatRequest]:
        """Yield the calls of one run, each for the case that those before were unreadable."""
        annotator, text = question.annotator, question.request()
        for number, call in enumerate(annotator.calls[: attempts(annotator, self.settings)]):
            # The same words again, in the next run or after an unreadable reply, are a new call.
            repeat = run * len(annotator.calls) + number
            yield chat_request(
                annotator, text + call.suffix, call, repeat, self._model, self._profile
            )

    def _label(self, annotator: LLMJudge, who: str) -> str:
        return label_of_model(annotator, self._model or annotator.model, who, self._runs)

    def _others(self, annotator: LLMJudge) -> Iterator[str]:
        """Yield what is sent otherwise than the published script sends it."""
        call = annotator.calls[0]
        request = chat_request(annotator, "", call, 0, self._model, self._profile)
        sent = self._service.sent(request)
        temperature = sent.pop("temperature", None)
        if temperature != call.temperature:
            yield "its own temperature" if temperature is None else f"temperature {temperature}"
        limit = next((sent.pop(name) for name in LIMITS if name in sent), None)
        if limit != annotator.max_tokens:
            yield "no limit of tokens" if limit is None else f"{limit} tokens to think and reply"
        for name, value in sent.items():
            yield f"{name} {json.dumps(value)}"

    def _note_served(self, annotator: LLMJudge, served: str) -> None:
        with self._lock:
            before = self._served.setdefault(annotator.model, printable(served))
        if before != printable(served):
            raise two_judges(before, printable(served))

    def _check_runs(self, question: Question) -> None:
        if self._runs > 1 and not question.annotator.several_runs:
            raise ConfigError(
                f"benchmark '{question.benchmark}' is judged in one run. Leave --judge-runs out."
            )


def label_of_model(annotator: LLMJudge, model: str, who: str, runs: int) -> str:
    """Return who judges, for whom if it is another than the benchmark's, and in how many runs."""
    instead = "" if model == annotator.model else f" instead of {annotator.model}"
    return f"{who}{instead}{f', {runs} runs' if runs > 1 else ''}"


def two_judges(before: str, now: str) -> JudgeError:
    """Return the error of a judge that is another since it began."""
    return JudgeError(
        f"{before!r} began to judge, and now {now!r} answers: two judges in one column. Ask for "
        "one of them by its own name, or have everything judged anew with --again judgements."
    )


def attempts(annotator: LLMJudge, settings: ChatSettings) -> int:
    """Return how often an answer is asked about at most, until the reply can be read.

    Where several runs are read, a run is told by its published number of calls.
    """
    calls = len(annotator.calls)
    return calls if annotator.several_runs else min(calls, settings.unreadable_attempts)


def chat_request(
    annotator: LLMJudge,
    request: str,
    call: Call,
    repeat: int = 0,
    model: str | None = None,
    profile: str | None = None,
) -> ChatRequest:
    """Lay out a call as the benchmark's judge is asked; `model` replaces its own."""
    system = () if annotator.system is None else (("system", annotator.system),)
    return ChatRequest(
        model=model or annotator.model,
        messages=(*system, (annotator.role, request)),
        temperature=call.temperature,
        max_tokens=annotator.max_tokens,
        repeat=repeat,
        profile=profile_of(model or annotator.model, profile),
    )
