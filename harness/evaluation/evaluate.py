"""From answers on disk to scorecards."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Response, Sample, SampleId, Scorecard, Unscored
from harness.errors import DataError
from harness.evaluation.annotate import Annotation, annotate
from harness.evaluation.annotators import Annotators, find_annotators
from harness.evaluation.answers import pair, read_data, read_responses
from harness.registry import load_benchmark
from harness.rundir import write_atomically


@dataclass(frozen=True)
class Item:
    """One sample with its answer and what that is worth."""

    response: Response
    replies: Sequence[str]
    score: Any
    """The benchmark's own score, or Unscored."""

    def row(self) -> dict[str, Any]:
        """Return the item as JSON."""
        row = {
            "id": self.response.id,
            "response": self.response.text,
            "replies": list(self.replies),
        }
        if isinstance(self.score, Unscored):
            return row | {"unscored": self.score.reason}
        return row | {"score": _plain(self.score)}


@dataclass(frozen=True)
class Evaluation:
    """A scorecard and the items it sums up."""

    scorecard: Scorecard
    items: Sequence[Item]


def evaluate(
    benchmark: Benchmark[Any],
    data: Path,
    responses: Path,
    annotators: Annotators,
    replies: Path | None = None,
    protocol: str = "official",
) -> Evaluation:
    """Score the answers to one benchmark.

    Args:
        benchmark: What was asked.
        data: Folder of the benchmark's own files.
        responses: JSONL of {"id", "response"}.
        annotators: Judge and taggers.
        replies: File in which their replies are kept; None keeps nothing.
        protocol: Name of the decoding settings, for the scorecard.

    Raises:
        DataError: Data or answers are wrong, or answers are missing.
        JudgeError: The judge did not answer.
    """
    samples, version = read_data(benchmark, data)
    pairs = pair(benchmark, samples, read_responses(responses), responses)
    try:
        answered = annotate(Annotation(benchmark, annotators), pairs, replies)
        items = [_item(benchmark, *each, answered) for each in pairs]
        official, careful = _columns(benchmark, items)
    except ValueError as error:
        raise DataError(f"{data}: benchmark '{benchmark.name}': {error}") from error
    scorecard = Scorecard(
        benchmark=benchmark.name,
        protocol=protocol,
        judge=_judge(benchmark, annotators, samples),
        data=version,
        official=official,
        careful=careful,
        counts=_counts(items),
    )
    return Evaluation(scorecard, items)


def _item(
    benchmark: Benchmark[Any],
    sample: Sample,
    response: Response,
    replies: Mapping[SampleId, Sequence[str]],
) -> Item:
    score = benchmark.score(sample, response, replies[sample.id])
    return Item(response, replies[sample.id], score)


def _columns(
    benchmark: Benchmark[Any], items: Sequence[Item]
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Return the metrics as the published script counts, and without unscored samples."""
    scores = [item.score for item in items]
    official = [_counted(benchmark, score) for score in scores]
    careful = [score for score in scores if not isinstance(score, Unscored)]
    return benchmark.aggregate(official), benchmark.aggregate(careful)


def _counted(benchmark: Benchmark[Any], score: Any) -> Any:
    if not isinstance(score, Unscored):
        return score
    return benchmark.fallback if score.counted_as is None else score.counted_as


def _counts(items: Sequence[Item]) -> dict[str, int]:
    unscored = sum(isinstance(item.score, Unscored) for item in items)
    return {
        "samples": len(items),
        "scored": len(items) - unscored,
        "unscored": unscored,
        "empty": sum(not item.response.text.strip() for item in items),
    }


def _judge(benchmark: Benchmark[Any], annotators: Annotators, samples: Sequence[Sample]) -> str:
    """Name judge and tagger, and the resources that the samples say they were read with."""
    notes = dict.fromkeys(sample.reference.get("resources") for sample in samples)
    return "; ".join([annotators.describe(benchmark), *filter(None, notes)])


def evaluate_all(
    run: Path, names: Sequence[str], data: Path, judge: str, protocol: str = "official"
) -> dict[str, Scorecard]:
    """Score all benchmarks of a run and write their scorecards.

    Answers are read from `responses/`, replies kept in `replies/`, and `scorecards/` gets
    `<benchmark>.json` and `<benchmark>.items.jsonl`.

    Args:
        run: Folder of the run.
        names: Benchmarks in table order.
        data: Folder that holds the data folder of each benchmark.
        judge: As on the command line.
        protocol: Name of the decoding settings that made the answers.
    """
    scorecards = {}
    for name in names:
        evaluation = evaluate(
            load_benchmark(name),
            data / name,
            run / "responses" / f"{name}.jsonl",
            find_annotators(judge, data / name),
            run / "replies" / f"{name}.jsonl",
            protocol,
        )
        write(evaluation, run / "scorecards")
        scorecards[name] = evaluation.scorecard
    return scorecards


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write the items, then the scorecard: where it stands, everything else does."""
    scorecard = evaluation.scorecard
    rows = (json.dumps(item.row(), ensure_ascii=False) + "\n" for item in evaluation.items)
    write_atomically(folder / f"{scorecard.benchmark}.items.jsonl", "".join(rows))
    text = json.dumps(dataclasses.asdict(scorecard), indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / f"{scorecard.benchmark}.json", text)


def _plain(value: Any) -> Any:
    """Return a score as JSON can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value
