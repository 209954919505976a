"""Answers whose official replies are public, and how both are read and judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.types import Benchmark, Unscored
from harness.errors import ConfigError, DataError
from harness.evaluation.evaluate import Evaluation, evaluate
from harness.evaluation.items import Item
from harness.evaluation.judging.annotators import find_annotators
from harness.llm.messages import ChatSettings
from harness.registry import load_benchmark
from harness.reporting.judge_card.agreement import Grades

JUDGED = "judged"
"""Folder of the answers and replies, below the data folder."""
OFFICIAL = "official"
"""In place of a judge: the public replies themselves."""


@dataclass(frozen=True)
class PublicSet:
    """The answers of one model to one benchmark, with the replies about them."""

    benchmark: str
    model: str
    answers: str
    """File below the folder of the public answers."""
    replies: tuple[str, ...]
    """Files of the official judge; several are runs of it."""


PUBLIC = (
    *(
        PublicSet(
            "mm_vet",
            f"LLaVA-1.5-{size.upper()}",
            f"mm_vet/llava-v1.5-{size}.json",
            (f"mm_vet/llava-v1.5-{size}_gpt-4-grade-3runs.json",),
        )
        for size in ("7b", "13b")
    ),
    *(
        PublicSet(
            "llava_bench",
            f"LLaVA-1.5-{size.upper()}",
            f"llava_bench/llava-v1.5-{size}.jsonl",
            tuple(f"llava_bench/llava-v1.5-{size}-eval{run}.jsonl" for run in (1, 2, 3)),
        )
        for size in ("7b", "13b")
    ),
    PublicSet("mmhal", "BLIP-2 2.7B", "mmhal/blip2_2.7b.json", ("mmhal/blip2_mmhal_eval.json",)),
    PublicSet(
        "mmhal",
        "LLaVA-OneVision 0.5B",
        "mmhal/llava_onevision_0.5b.json",
        ("mmhal/mmhal_llava_onevision_0.5b.txt",),
    ),
)


@dataclass(frozen=True)
class Judged:
    """What one judge gave the answers of a set."""

    judge: str
    """As on a scorecard."""
    totals: dict[str, float]
    """The headline numbers of the benchmark, as published scripts count."""
    grades: dict[Any, tuple[float, ...]]
    """By sample, of each run; without the answers about which a reply could not be read."""
    unreadable: int


@dataclass(frozen=True)
class Asked:
    """A judge as on the command line, and where the data are."""

    judge: str
    profile: str | None
    data: Path
    settings: ChatSettings


def judge_set(one: PublicSet, asked: Asked) -> Judged:
    """Let a judge grade the answers of a set.

    Raises:
        ConfigError: There is no such judge.
        DataError: Answers or replies are not there.
        JudgeError: The judge did not answer, or cannot be read.
    """
    benchmark = load_benchmark(one.benchmark)
    folder = asked.data / JUDGED
    missing = [name for name in (one.answers, *one.replies) if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: there is no {', no '.join(missing)}. Fetch them: python -m harness data "
            f"fetch {JUDGED} --data {asked.data}"
        )
    official = f"replay:{','.join(str(folder / name) for name in one.replies)}"
    words = official if asked.judge == OFFICIAL else asked.judge
    if words.partition(":")[0] in ("oracle", "later", "none", "replay") and words != official:
        raise ConfigError(
            f"a card is made of a judge that can be asked, not of {asked.judge!r}: openai:MODEL, "
            f"local:MODEL, or {OFFICIAL}, the public replies themselves."
        )
    data = asked.data / one.benchmark
    profile = None if words == official else asked.profile
    annotators = find_annotators(words, data, asked.settings, profile=profile)
    evaluation = evaluate(benchmark, data, folder / one.answers, annotators)
    return _judged(benchmark, evaluation)


def paired(ours: Judged, theirs: Judged) -> tuple[Grades, Grades]:
    """Return the grades of the answers that both could grade, runs x answers each."""
    both = [key for key in theirs.grades if key in ours.grades]
    if not both:
        raise DataError(f"there is no answer that both {ours.judge} and {theirs.judge} graded.")
    one, two = (np.array([each.grades[key] for key in both]).T for each in (ours, theirs))
    return one.astype(float), two.astype(float)


def _judged(benchmark: Benchmark[Any], evaluation: Evaluation) -> Judged:
    card = evaluation.scorecard
    headlines = [metric.name for metric in benchmark.metrics if metric.headline]
    return Judged(
        judge=card.judge.partition("; ")[0],
        totals={name: card.official[name] for name in headlines if name in card.official},
        grades=dict(_graded(benchmark, item) for item in evaluation.items if _is_graded(item)),
        unreadable=sum(not _is_graded(item) for item in evaluation.items),
    )


def _is_graded(item: Item) -> bool:
    return not isinstance(item.score, Unscored)


def _graded(benchmark: Benchmark[Any], item: Item) -> tuple[Any, tuple[float, ...]]:
    if benchmark.grades is None:
        raise ConfigError(f"benchmark '{benchmark.name}' gives no grades to compare.")
    return item.sample.id, tuple(benchmark.grades(item.score))
