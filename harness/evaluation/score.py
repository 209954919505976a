"""The command `score`: saved answers to numbers, without a model."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.types import LLMJudge, Scorecard
from harness.errors import ConfigError
from harness.evaluation.evaluate import Evaluation, evaluate
from harness.evaluation.items import Item, plain
from harness.evaluation.judging.annotators import DEFAULTS, asked_about, find_annotators
from harness.llm.messages import ChatSettings
from harness.registry import load_benchmark

DATA = Path("data/benchmarks")
"""Where `data fetch` puts the folders of the benchmarks."""
WITHOUT = "none"


@dataclass(frozen=True)
class Asking:
    """Whom to ask about the answers, as on the command line."""

    judge: str | None = None
    """None where the benchmark asks no language model; `none` for its judge-free mode."""
    settings: ChatSettings = DEFAULTS
    runs: int = 1
    profile: str | None = None


def evaluate_responses(
    benchmark: str,
    responses: Path,
    data: Path | None = None,
    asking: Asking | None = None,
    form: str | None = None,
) -> Evaluation:
    """Score one file of answers and return its items too.

    Args:
        benchmark: Name of the benchmark.
        responses: Answers in one of `formats.FORMATS`.
        data: Folder of the benchmark's own files; None takes the one below `DATA`.
        asking: Judge, and how it is reached.
        form: Name of the format; None finds it by the first answer.
    """
    value, who = load_benchmark(benchmark), asking or Asking()
    folder = data or DATA / benchmark
    if not isinstance(value.annotator, LLMJudge) and _asks_nobody(who.judge):
        return evaluate(value, folder, responses, find_annotators(None, folder), form=form)
    if who.judge == WITHOUT:
        if value.judge_free is None:
            raise ConfigError(
                f"the published script of '{benchmark}' has no judge-free mode. Choose --judge "
                "openai or --judge replay:FILE."
            )
        annotators = find_annotators(None, folder)
        return evaluate(value.judge_free, folder, responses, annotators, form=form)
    annotators = find_annotators(
        asked_about(value, who.judge), folder, who.settings, who.runs, profile=who.profile
    )
    return evaluate(value, folder, responses, annotators, form=form)


def _asks_nobody(judge: str | None) -> bool:
    """Tell whether a judge is named that a benchmark without one needs neither key nor address."""
    return judge == WITHOUT or (judge or "").partition(":")[0] == "openai"


def score_responses(
    benchmark: str, responses: Path, data: Path | None = None, judge: str | None = None
) -> Scorecard:
    """Score one file of answers, see `evaluate_responses`."""
    return evaluate_responses(benchmark, responses, data, Asking(judge)).scorecard


def as_json(
    scorecard: Scorecard,
    remarks: Sequence[str] = (),
    runs: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> str:
    """Return what `score --json` prints; a number that is none stands as NaN or Infinity.

    `runs` and `remarks` stand in it where there are any.
    """
    beside = {"runs": plain(runs), "remarks": list(remarks)}
    row = plain(dataclasses.asdict(scorecard))
    return json.dumps(row | {key: value for key, value in beside.items() if value}, indent=2)


def item_json(item: Item) -> str:
    """Return what `score --per-item --json` prints about one item, in one line."""
    return json.dumps(item.row() | {"reference": plain(item.sample.reference)})
