"""A judge that runs here: an open text model, pinned and greedy, asked about all answers at once.

A greedy model gives the same words the same reply, so that an unreadable one is not asked for
again; a call that adds words to the request, as MM-Vet's do, is another question.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from benchmarks.types import FAILED_CALL, LLMJudge
from harness.errors import JudgeError, RefusedRequest
from harness.evaluation.judging.judge import FreeJudge, Question, chat_request
from harness.llm.messages import ChatReply, ChatRequest, ChatSettings
from harness.llm.profiles import OFFICIAL, Profile

KIND = "local"
REPLY_LIMIT = 1024
"""Tokens of a reply where the benchmark sets no limit."""


class Engine(Protocol):
    """What makes a model reply; every reply is stored as soon as it is there."""

    name: str
    """As shown on the scorecard."""
    model: str
    """What requests call the model: what it is pinned to, wherever it lies."""
    label: str
    """What people call it."""

    def known(self, request: ChatRequest) -> ChatReply | None:
        """Return the stored reply of this engine and this very model."""

    def forget(self, request: ChatRequest) -> None:
        """Drop the stored reply, so that the request is answered anew."""

    def answer(self, requests: Sequence[ChatRequest], told: str) -> None:
        """Store the replies to requests that have none; `told` says what they are about.

        Raises:
            RefusedRequest: One cannot be answered, such as one too long; the others are.
            JudgeError: The model does not run.
        """

    def close(self) -> None:
        """Free the devices."""


@dataclass
class LocalJudge(FreeJudge):
    """The judge `local:MODEL`."""

    engine: Engine
    profile: Profile = OFFICIAL
    """Whether its replies may be preceded by thoughts."""
    settings: ChatSettings | None = field(default_factory=ChatSettings)

    def name(self, annotator: LLMJudge) -> str:
        """Return model, revision and engine, and which model it stands for."""
        room = self.profile.thinking_tokens
        thinks = f", {room} tokens more to think" if room else ""
        return (
            f"{KIND}:{self.engine.label} ({self.engine.name}, greedy{thinks}) instead of "
            f"{annotator.model}"
        )

    def prepare(self, questions: Sequence[Question]) -> None:
        """Ask about all answers together; what is still unreadable, in the next call's words."""
        ladders = [self._ladder(question) for question in questions]
        readable = [question.annotator.readable for question in questions]
        for step in range(max(map(len, ladders), default=0)):
            wanted: dict[ChatRequest, None] = {}
            for ladder, reads in zip(ladders, readable, strict=True):
                before = [self.engine.known(request) for request in ladder[:step]]
                if len(ladder) > step and not any(one and reads(one.text) for one in before):
                    wanted[ladder[step]] = None
            missing = [request for request in wanted if self.engine.known(request) is None]
            if missing:
                with suppress(RefusedRequest):  # told of each answer when that is asked about
                    self._answer(missing, questions[0].benchmark)

    def replies(self, question: Question) -> list[str]:
        """Return the replies until one is readable."""
        replies: list[str] = []
        for request in self._ladder(question):
            try:
                if self.engine.known(request) is None:
                    self._answer([request], question.benchmark)
            except RefusedRequest:
                return [*replies, FAILED_CALL]
            replies.append(self._reply(request))
            if question.annotator.readable(replies[-1]):
                break
        return replies

    def planned(self, question: Question) -> tuple[list[ChatRequest], int]:
        """Return the call that is not answered yet, and how many replies are stored."""
        for number, request in enumerate(self._ladder(question)):
            reply = self.engine.known(request)
            if reply is None:
                return [request], number
            if question.annotator.readable(reply.text):
                return [], number + 1
        return [], len(self._ladder(question))

    def forget(self, question: Question) -> None:
        """Drop the stored replies about an answer."""
        for request in self._ladder(question):
            self.engine.forget(request)

    def _ladder(self, question: Question) -> list[ChatRequest]:
        """Return the requests that differ, in the order of the benchmark's calls."""
        annotator, text = question.annotator, question.request()
        requests = (
            replace(
                chat_request(annotator, text + call.suffix, call, model=self.engine.model),
                temperature=0.0,
                max_tokens=annotator.max_tokens or REPLY_LIMIT,
                profile=self.profile,
            )
            for call in annotator.calls
        )
        return list(dict.fromkeys(requests))

    def _answer(self, requests: Sequence[ChatRequest], benchmark: str) -> None:
        try:
            self.engine.answer(requests, f"{benchmark}: replies")
        except RefusedRequest:
            raise
        except JudgeError as error:
            missing = sum(self.engine.known(request) is None for request in requests)
            raise JudgeError(
                f"judge {KIND}:{self.engine.label}: {error} {missing} of {len(requests)} replies "
                f"about the responses to '{benchmark}' are missing, so there is no score. Run the "
                "same command again: what was answered is kept."
            ) from error

    def _reply(self, request: ChatRequest) -> str:
        reply = self.engine.known(request)
        if reply is None:
            raise JudgeError(f"{KIND}:{self.engine.label} gave no reply.")
        return reply.text
