"""Ask a judge one real question per benchmark, before anything that takes long rests on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.types import Benchmark, LLMJudge, Response, Sample
from harness.console import messages
from harness.errors import JudgeError
from harness.evaluation.judging.annotate import question_about
from harness.evaluation.judging.annotators import open_service
from harness.evaluation.judging.judge import OpenAIJudge, Question
from harness.evaluation.judging.replies import Replies
from harness.evaluation.judging.watch import shown, state_of
from harness.llm.messages import ChatSettings
from harness.registry import load_benchmark
from harness.settings.spec import EvaluationSpec
from harness.upstream.reading import read_data

if TYPE_CHECKING:
    from harness.llm.chat import ChatService

ANSWER = (
    "The image shows a man in a blue shirt who walks along the beach with a brown dog. There is a "
    "red umbrella next to a chair on the left, and two boats can be seen on the water behind them."
)
"""Stands for an answer while there is none."""


def ask_first(asked: EvaluationSpec, settings: ChatSettings) -> None:
    """Ask a model behind an endpoint about one answer to each benchmark that it is to judge.

    The replies are stored like all others, so that nobody pays for them twice.

    Args:
        asked: The benchmarks, where their data are, and the judge; all other judges are not asked.
        settings: How the judge is reached and what it may spend.

    Raises:
        JudgeError: It cannot be reached, refuses, or replies what nobody can read.
    """
    service = open_service(asked.judge, settings)
    if service is None:
        return
    model = asked.judge.partition(":")[2] or None
    judge = OpenAIJudge(model, service, profile=asked.judge_profile)
    for name in asked.benchmarks:
        benchmark = load_benchmark(name)
        if isinstance(benchmark.annotator, LLMJudge):
            samples, _ = read_data(benchmark, Path(asked.data) / name)
            question = _question(benchmark, benchmark.annotator, samples)
            if question is not None:
                reply = _reply(judge, service, question)
                messages.print(f"judge of {name}, asked beforehand: {reply}", markup=False)


def _question(
    benchmark: Benchmark[Any], annotator: LLMJudge, samples: Sequence[Sample]
) -> Question | None:
    """Return what the judge is asked about the first sample that it is asked about at all."""
    for sample in samples:
        response = Response(sample.id, ANSWER)
        if annotator.needed(sample, response):
            return question_about(benchmark, annotator, sample, response)
    return None


def _reply(judge: OpenAIJudge, service: "ChatService", question: Question) -> str:
    """Return the judge's last reply in a few words."""
    for request in judge.planned(question)[0]:
        service.ask(request)  # a refusal is told as it is, and is not yet a call that failed
    replies = judge.replies(question)
    state = state_of(question.annotator, Replies(tuple(replies)))
    if state == "readable":
        return shown(replies)
    judge.forget(question)
    raise JudgeError(
        f"the judge of '{question.benchmark}' was asked one question before the work begins, and "
        f"its reply is {state}: {shown(replies)}. A model that thinks aloud or takes other "
        "parameters needs a judge profile (see docs/judges.md); or choose another judge, or "
        "`later`: what is trained and answered without a judge can be judged afterwards."
    )
