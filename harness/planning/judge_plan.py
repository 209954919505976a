"""What a scoring will ask of a language model, counted before it is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.types import Benchmark, LLMJudge, Response, Sample
from harness.errors import DataError
from harness.evaluation.judging.annotate import Pair, question_about
from harness.evaluation.judging.annotators import DEFAULTS, Annotators
from harness.evaluation.judging.judge import Judge, Question, attempts, chat_request
from harness.llm.messages import ChatRequest, ChatSettings, estimated_tokens
from harness.settings.spec import EvaluationSpec

ASSUMED_ANSWER = "word " * 120
"""Stands for an answer that is not there yet: 600 characters."""


@dataclass(frozen=True)
class JudgePlan:
    """Calls and tokens that a scoring needs if every first reply is readable, and what it may."""

    calls: int
    """Calls to pay for."""
    recalled: int
    """Replies that are stored already."""
    prompt_tokens_estimate: int
    """Characters of the messages divided by four, rounded up per call."""
    completion_tokens_limit: int | None
    """The most that the replies may take; None where the benchmark sets no limit."""
    more_calls_limit: int = 0
    """The most calls besides, if replies cannot be read."""

    def __add__(self, other: "JudgePlan") -> "JudgePlan":
        """Sum up two benchmarks; without a limit in one there is none."""
        limits = (self.completion_tokens_limit, other.completion_tokens_limit)
        return JudgePlan(
            calls=self.calls + other.calls,
            recalled=self.recalled + other.recalled,
            prompt_tokens_estimate=self.prompt_tokens_estimate + other.prompt_tokens_estimate,
            completion_tokens_limit=None if None in limits else sum(filter(None, limits)),
            more_calls_limit=self.more_calls_limit + other.more_calls_limit,
        )

    def __mul__(self, times: int) -> "JudgePlan":
        """Plan for several sets of answers."""
        return sum((self for _ in range(times)), NOTHING)


NOTHING = JudgePlan(0, 0, 0, 0)


@dataclass(frozen=True)
class Asked:
    """A model behind an endpoint, as it will be asked."""

    model: str | None = None
    """None: the one that belongs to the benchmark."""
    profile: str | None = None
    settings: ChatSettings = DEFAULTS


ASKED = Asked()


def assumed_pairs(samples: Sequence[Sample]) -> list[Pair]:
    """Return the samples with an answer of assumed length, for a plan before there are any."""
    return [(sample, Response(sample.id, ASSUMED_ANSWER)) for sample in samples]


def judge_plan(
    benchmark: Benchmark[Any],
    pairs: Sequence[Pair],
    annotators: Annotators | None = None,
    asked: Asked = ASKED,
) -> JudgePlan:
    """Count what a benchmark's language model will be asked.

    Args:
        benchmark: What is scored.
        pairs: Samples with their answers, or `assumed_pairs`.
        annotators: Who will be asked; some judges are paid nothing. None plans for the
            model that is asked for in one run, and knows of no stored reply.
        asked: The model that is asked for, where there are no annotators.

    Raises:
        ConfigError: The benchmark cannot read several runs.
        DataError: The judge's prompt is not among the data.
    """
    annotator = benchmark.annotator
    judge = None if annotators is None else annotators.judge
    paid = annotators is None or (judge is not None and judge.spent is not None)
    if not isinstance(annotator, LLMJudge) or not paid:
        return NOTHING
    requests: list[ChatRequest] = []
    recalled = 0
    try:
        for pair in pairs:
            if annotator.needed(*pair):
                question = question_about(benchmark, annotator, *pair)
                needed, stored = _planned(question, judge, asked)
                requests += needed
                recalled += stored
    except ValueError as error:
        raise DataError(f"benchmark '{benchmark.name}': {error}") from error
    limits = [request.limit for request in requests]
    settings = judge.settings if judge is not None and judge.settings else asked.settings
    more = attempts(annotator, settings) - 1
    return JudgePlan(
        calls=len(requests),
        recalled=recalled,
        prompt_tokens_estimate=sum(
            estimated_tokens(*(content for _, content in request.messages)) for request in requests
        ),
        completion_tokens_limit=(
            None if annotator.max_tokens is None else sum(filter(None, limits))
        ),
        more_calls_limit=more * len(requests),
    )


def unread_plan(
    benchmark: Benchmark[Any], annotator: LLMJudge, settings: ChatSettings
) -> JudgePlan:
    """Count the calls about a benchmark whose data are not here: one per published sample."""
    more = attempts(annotator, settings) - 1
    return JudgePlan(benchmark.samples, 0, 0, None, more * benchmark.samples)


def runs_problems(evaluation: EvaluationSpec) -> list[str]:
    """Say what is wrong with judging several times, if it is asked for."""
    runs, judge = evaluation.judge_runs, evaluation.judge
    if runs == 1 or judge.partition(":")[0] == "openai":
        return []
    return [
        f"evaluation.judge_runs {runs}: judge {judge} gives the same replies in every run. Leave "
        "it at 1, or choose the judge that is asked anew: --set evaluation.judge=openai"
    ]


def _planned(
    question: Question, judge: Judge | None, asked: Asked
) -> tuple[list[ChatRequest], int]:
    if judge is not None:
        return judge.planned(question)
    annotator = question.annotator
    first = annotator.calls[0]
    text = question.request() + first.suffix
    return [chat_request(annotator, text, first, 0, asked.model, asked.profile)], 0
