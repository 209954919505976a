"""From the answers of a model to its judgements: replies, items and scorecards on disk."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.types import LLMJudge
from harness.console import messages
from harness.errors import DataError
from harness.evaluation.answers.answers import pair as paired
from harness.evaluation.answers.answers import read_responses
from harness.evaluation.evaluate import Evaluation, evaluate
from harness.evaluation.generation.samples import protocol_of
from harness.evaluation.held import Held, begun
from harness.evaluation.judging.annotate import Annotation
from harness.evaluation.judging.annotators import (
    DEFAULTS,
    Annotators,
    asked_about,
    find_annotators,
    open_service,
    runs_of,
)
from harness.evaluation.judging.local.opening import close_engines
from harness.evaluation.judging.replies import read_rows
from harness.evaluation.scorecards import IDENTITY, ITEMS, REPLIES, SCORECARD, seal, stale
from harness.files.atomic import write_text
from harness.files.jsonlines import JsonLines, Row
from harness.llm.messages import ChatSettings
from harness.registry import load_benchmark
from harness.upstream.reading import read_data

if TYPE_CHECKING:
    from harness.llm.chat import ChatService


def judge_answers(held: Held, settings: ChatSettings = DEFAULTS) -> None:
    """Judge the answers to all benchmarks that have no scorecard.

    Replies that were given about the same answers before are taken over.

    Args:
        held: The model whose answers are there.
        settings: How the judge is reached and what it may spend on all benchmarks together.

    Raises:
        ConfigError: There is no such judge, or it has no key.
        JudgeError: The judge did not answer.
    """
    try:
        _judge(held, settings)
    finally:
        close_engines()


def _judge(held: Held, settings: ChatSettings) -> None:
    names = held.unjudged()
    judged = any(isinstance(load_benchmark(name).annotator, LLMJudge) for name in names)
    service = open_service(held.asked.judge, settings) if judged else None
    for name in names:
        folder = held.judged(name)
        _set_stale_aside(folder)
        begun(folder / IDENTITY, held.judgement(name))
        _take_over(held, name)
        evaluation = evaluate(
            load_benchmark(name),
            data_of(held, name),
            held.responses(name),
            annotators_of(held, name, settings, service),
            folder / REPLIES,
            protocol_of(load_benchmark(name), held.asked.protocol),
        )
        write(evaluation, folder, held.responses(name))


def _set_stale_aside(folder: Path) -> None:
    """Take away a scorecard that is not of what is there: until the new one stands, none does."""
    if (folder / SCORECARD).exists():
        messages.print(
            f"{folder}: {stale(folder)} changed since it was judged, so it is judged again.",
            markup=False,
        )
        (folder / SCORECARD).unlink()


def data_of(held: Held, name: str) -> Path:
    """Return the folder of a benchmark's data."""
    return Path(held.asked.data) / name


def annotators_of(
    held: Held, name: str, settings: ChatSettings, service: "ChatService | None" = None
) -> Annotators:
    """Return who judges the answers to a benchmark, as it was asked for."""
    asked, benchmark, data = held.asked, load_benchmark(name), data_of(held, name)
    judge = asked_about(benchmark, asked.judge)
    if judge is None:
        return find_annotators(None, data)
    runs = runs_of(benchmark, asked.judge_runs)
    return find_annotators(judge, data, settings, runs, service, asked.judge_profile)


def forget_replies(held: Held, name: str, settings: ChatSettings) -> None:
    """Drop what is stored of a judge's replies about a model's answers, so that it is asked anew.

    Raises:
        ConfigError: The judge has no key.
    """
    benchmark, responses = load_benchmark(name), held.responses(name)
    if not responses.exists() or not isinstance(benchmark.annotator, LLMJudge):
        return
    if held.asked.judge.partition(":")[0] not in ("openai", "local"):
        return
    annotation = Annotation(benchmark, annotators_of(held, name, settings))
    samples, _ = read_data(benchmark, data_of(held, name))
    answers, _ = read_responses(responses, samples)
    for pair in paired(benchmark, samples, answers, responses):
        if annotation.needed(*pair):
            annotation.forget(pair)


def _take_over(held: Held, name: str) -> None:
    """Begin the replies of a judgement with those that this judge gave about these answers before.

    So code that scores otherwise asks nobody again.
    """
    replies = held.judged(name) / REPLIES
    if replies.exists():
        return
    rows: list[Row] = []
    for folder in held.judged_alike(name):
        if (folder / REPLIES).exists():
            try:
                rows += read_rows(folder / REPLIES)
            except DataError as error:
                messages.print(f"No reply is taken over. {error}", markup=False)
    if rows:
        JsonLines(replies).rewrite(rows)


def write(evaluation: Evaluation, folder: Path, answers: Path) -> None:
    """Write the items, then the scorecard: where it stands, everything else does."""
    JsonLines(folder / ITEMS).rewrite(item.row() for item in evaluation.items)
    seal(folder, answers)
    card = dataclasses.asdict(evaluation.scorecard)
    write_text(folder / SCORECARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
