"""What answering and scoring a benchmark read besides its questions, and what is not here."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Sample
from harness.evaluation.judging.annotate import Annotation
from harness.evaluation.judging.annotators import Annotators, asked_about, tagger_of
from harness.evaluation.judging.replay import ReplayJudge, replay_files
from harness.evaluation.tagging.nouns import find_nltk
from harness.planning.judge_plan import assumed_pairs
from harness.registry import load_benchmark
from harness.settings.spec import EvaluationSpec
from harness.upstream.catalogue import catalogue


def missing_data(
    benchmark: Benchmark[Any], samples: Sequence[Sample], folder: Path, judge: str
) -> Iterator[str]:
    """Yield what is not here of pictures and the tagger's data.

    Args:
        benchmark: What is answered and scored.
        samples: Its questions.
        folder: Its data folder.
        judge: Who judges; the oracle tags by itself.
    """
    yield from _pictures(benchmark.name, samples, folder)
    if judge != "oracle" and _asks_tagger(benchmark, samples, judge):
        yield from _tagger_data(benchmark.name, folder)


def stand_in_taggers(evaluation: EvaluationSpec) -> Iterator[str]:
    """Yield which published taggers are not installed, so that NLTK's takes their place."""
    if evaluation.judge == "oracle":
        return
    for name in evaluation.benchmarks:
        tagger = tagger_of(load_benchmark(name))
        if tagger is None or tagger.name == "nltk":
            continue
        if all(map(importlib.util.find_spec, ("spacy", tagger.name))):
            continue
        yield (
            f"benchmark '{name}': NLTK stands in for the tagger {tagger.name}, which is "
            "not installed, and the numbers will not be the official ones. Install it with: "
            f"uv pip install spacy pip && python -m spacy download {tagger.name}"
        )


def _pictures(name: str, samples: Sequence[Sample], folder: Path) -> Iterator[str]:
    """Look for each file that the questions name; pictures inside the questions are there."""
    paths = dict.fromkeys(one.image for one in samples if isinstance(one.image, str))
    absent = [path for path in paths if not (folder / path).is_file()]
    if absent:
        yield (
            f"{folder}: {len(absent):,} of {len(paths):,} pictures that the questions of "
            f"benchmark '{name}' name are not there, the first: {absent[0]}. {_advice(name)}"
        )


def _advice(name: str) -> str:
    known = catalogue().get(name)
    images = known.images if known else None
    if images is None:
        return "Put them there."
    if images.by_hand:
        return f"By hand: {images.by_hand}."
    return f"Fetch them with: python -m harness data fetch {name}"


def _asks_tagger(benchmark: Benchmark[Any], samples: Sequence[Sample], judge: str) -> bool:
    """Say whether a tagger is asked about any answer; not where its replies are recorded."""
    annotator = benchmark.annotator
    if annotator is None or tagger_of(benchmark) is None:
        return False
    asked = Annotation(benchmark, Annotators(None, {})).needed
    kind, _, file = (asked_about(benchmark, judge) or "").partition(":")
    files = replay_files(file) if kind == "replay" else []
    there = bool(files) and all(one.is_file() for one in files)
    recorded = ReplayJudge(*files) if there else None
    return any(
        asked(*pair) and (recorded is None or recorded.tagged(annotator, pair[0].id) is None)
        for pair in assumed_pairs(samples)
    )


def _tagger_data(name: str, folder: Path) -> Iterator[str]:
    """Look for NLTK's data, which the stand-in of another tagger reads too."""
    tagger = find_nltk(folder)
    if absent := tagger.missing_files():
        yield f"benchmark '{name}': {tagger.told_missing(absent[0])}"
