"""From the answers of a model to its judgements: replies, items and scorecards on disk."""

import dataclasses
import json
from pathlib import Path

from harness.evaluation.evaluate import Evaluation, evaluate
from harness.evaluation.generation.samples import protocol_of
from harness.evaluation.held import Held, begun
from harness.evaluation.judging.annotators import DEFAULTS, find_annotators, open_service, runs_of
from harness.evaluation.judging.local.opening import close_engines
from harness.evaluation.scorecards import IDENTITY, ITEMS, REPLIES, SCORECARD
from harness.files.atomic import write_text
from harness.files.jsonlines import JsonLines
from harness.llm.messages import ChatSettings
from harness.registry import load_benchmark


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
    asked, names = held.asked, held.unjudged()
    service = open_service(asked.judge, settings) if names else None
    for name in names:
        benchmark, folder = load_benchmark(name), held.judged(name)
        begun(folder / IDENTITY, held.judgement(name))
        _take_over(folder, name)
        data = Path(asked.data) / name
        runs = runs_of(benchmark, asked.judge_runs)
        evaluation = evaluate(
            benchmark,
            data,
            held.responses(name),
            find_annotators(asked.judge, data, settings, runs, service),
            folder / REPLIES,
            protocol_of(benchmark, asked.protocol),
        )
        write(evaluation, folder)


def _take_over(folder: Path, name: str) -> None:
    """Begin the replies of a judgement with those of its neighbours; a key tells what they fit."""
    if (folder / REPLIES).exists():
        return
    others = sorted(folder.parent.glob(f"{name}-*/{REPLIES}"))
    rows = [row for file in others for row in JsonLines(file).read()]
    if rows:
        JsonLines(folder / REPLIES).rewrite(rows)


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write the items, then the scorecard: where it stands, everything else does."""
    JsonLines(folder / ITEMS).rewrite(item.row() for item in evaluation.items)
    card = dataclasses.asdict(evaluation.scorecard)
    write_text(folder / SCORECARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
