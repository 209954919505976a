"""From answers on disk to scorecards."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Response, Sample, Scorecard, Unscored
from harness.console import messages
from harness.errors import ConfigError, DataError, HarnessError, in_words, raised_at
from harness.evaluation.answers.answers import pair, read_responses
from harness.evaluation.items import Item, failed
from harness.evaluation.judging.annotate import Annotation, annotate
from harness.evaluation.judging.annotators import Annotators
from harness.evaluation.judging.replay import ReplayJudge
from harness.evaluation.judging.replies import Replies
from harness.upstream.reading import place_of, read_data


@dataclass(frozen=True)
class Evaluation:
    """A scorecard and the items it sums up."""

    scorecard: Scorecard
    items: Sequence[Item]
    runs: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """What the published script prints beside its numbers, one value for each run of the judge."""


def evaluate(
    benchmark: Benchmark[Any],
    data: Path,
    responses: Path,
    annotators: Annotators,
    replies: Path | None = None,
    protocol: str = "official",
    form: str | None = None,
) -> Evaluation:
    """Score the answers to one benchmark.

    Args:
        benchmark: What was asked.
        data: Folder of the benchmark's own files.
        responses: Answers in one of `formats.FORMATS`.
        annotators: Judge and taggers.
        replies: File in which their replies are kept; None keeps nothing.
        protocol: Name of the decoding settings, for the scorecard.
        form: Name of the format of the answers; None finds it by the first of them.

    Raises:
        ConfigError: The benchmark returns a metric that it does not declare.
        DataError: Data or answers are wrong, or answers are missing.
        JudgeError: The judge did not answer.
    """
    samples, version = _samples(benchmark, data, annotators)
    pairs = _pairs(benchmark, samples, responses, form)
    if isinstance(annotators.judge, ReplayJudge):
        annotators.judge.match(benchmark, samples)
    items = _items(Annotation(benchmark, annotators), pairs, replies)
    try:
        with _own_faults(benchmark):
            official, careful = _columns(benchmark, items)
    except ValueError as error:
        raise DataError(f"{data}: benchmark '{benchmark.name}': {error}") from error
    require_numbers(benchmark, [official, careful])
    scorecard = Scorecard(
        benchmark=benchmark.name,
        protocol=protocol,
        judge=_judge(benchmark, annotators, samples, items),
        data=version,
        official=official,
        careful=careful,
        counts=_counts(benchmark, items, missing(benchmark, samples, items)),
    )
    return Evaluation(scorecard, items, _runs(benchmark, items))


def _samples(
    benchmark: Benchmark[Any], data: Path, annotators: Annotators
) -> tuple[list[Sample], str]:
    """Return samples and version of the data; without questions, samples as the reviews state."""
    judge = annotators.judge
    if isinstance(judge, ReplayJudge) and not place_of(data, benchmark.files[0]).is_file():
        stated = judge.stated(benchmark)
        if stated is not None:
            messages.print(
                f"{data}: no {benchmark.files[0]}, so the categories of the {len(stated)} "
                "questions are those of the reviews, and nothing tells whether the answers are "
                "to these questions.",
                markup=False,
            )
            return stated, "not read: categories as the reviews state them"
    return read_data(benchmark, data)


def _items(
    annotation: Annotation, pairs: Sequence[tuple[Sample, Response]], replies: Path | None
) -> list[Item]:
    """Ask the annotators about every answer and score it."""
    benchmark = annotation.benchmark
    try:
        with _own_faults(benchmark):
            answered = annotate(annotation, pairs, replies)
            return [_item(benchmark, *each, answered[each[0].id]) for each in pairs]
    except ValueError as error:
        raise DataError(f"benchmark '{benchmark.name}': {error}") from error
    except TimeoutError as error:  # NLTK limits the time that a text may take it
        longest = max((response for _, response in pairs), key=lambda each: len(each.text))
        raise DataError(
            f"benchmark '{benchmark.name}': an answer could not be cut into sentences in time. The "
            f"longest is that of sample {longest.id!r}, {len(longest.text)} characters. Shorten "
            "it or leave it empty."
        ) from error


def _pairs(
    benchmark: Benchmark[Any], samples: Sequence[Sample], path: Path, form: str | None
) -> list[tuple[Sample, Response]]:
    """Read the answers; say in which format they stand, and how many samples have none."""
    responses, found = read_responses(path, samples, form)
    pairs = pair(benchmark, samples, responses, path)
    if found != "harness":
        messages.print(f"{path}: {len(pairs)} answers in the format {found}", markup=False)
    if absent := len(samples) - len(pairs):
        messages.print(
            f"{path}: {absent} of the {len(samples)} samples of '{benchmark.name}' are not "
            f"answered. The numbers are those of the other {len(pairs)}.",
            markup=False,
        )
    if empty := sum(not response.text.strip() for _, response in pairs):
        messages.print(
            f"warning: {path}: empty answers: {empty} of {len(pairs)}. They are scored as such.",
            markup=False,
        )
    return pairs


def _item(benchmark: Benchmark[Any], sample: Sample, response: Response, replies: Replies) -> Item:
    return Item(sample, response, replies, benchmark.score(sample, response, replies.flat()))


def _columns(
    benchmark: Benchmark[Any], items: Sequence[Item]
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Return the metrics as the published script counts, and without unscored samples.

    A call that failed for good is never a score: the published scripts would not have come to
    their end, so that there is no official number.
    """
    scores = [item.score for item in items]
    careful = [score for score in scores if not isinstance(score, Unscored)]
    if any(failed(benchmark, item) for item in items):
        return {}, benchmark.aggregate(careful)
    official = [_counted(benchmark, score) for score in scores]
    return benchmark.aggregate(official), benchmark.aggregate(careful)


@contextmanager
def _own_faults(benchmark: Benchmark[Any]) -> Iterator[None]:
    """Name the benchmark in what its own code raises, but for a ValueError: that is a refusal.

    Raises:
        DataError: It raised something; the message says where.
    """
    try:
        yield
    except (HarnessError, OSError, ValueError):
        raise
    except Exception as error:
        place = raised_at(getattr(benchmark.score, "__module__", ""), error.__traceback__)
        if place is None:
            raise
        raise DataError(
            f"benchmark '{benchmark.name}': it raised {type(error).__name__}: {in_words(error)} "
            f"({place}). Mend it; the same command continues."
        ) from error


def require_numbers(benchmark: Benchmark[Any], results: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what `aggregate` returned where no table could show it.

    Raises:
        ConfigError: A metric is not declared, or is no number.
    """
    _require_declared(benchmark, [name for one in results for name in one])
    for name, value in (metric for one in results for metric in one.items()):
        if not isinstance(value, Real):
            raise ConfigError(
                f"benchmark '{benchmark.name}': `aggregate` returns {name!r} as a "
                f"{type(value).__name__}; wanted is one number. Make a float of it."
            )


def _require_declared(benchmark: Benchmark[Any], names: Sequence[str]) -> None:
    """Refuse numbers that no table would show."""
    declared = {one.name for metric in benchmark.metrics for one in metric.members(names)}
    if unknown := [name for name in dict.fromkeys(names) if name not in declared]:
        raise ConfigError(
            f"benchmark '{benchmark.name}': `aggregate` returns {', '.join(map(repr, unknown))}, "
            "which its `metrics` do not declare, so no table would show it. Add a Metric with this "
            "name to `metrics`; a name that ends with '/*' declares all that begin alike."
        )


def _counted(benchmark: Benchmark[Any], score: Any) -> Any:
    if not isinstance(score, Unscored):
        return score
    return benchmark.fallback if score.counted_as is None else score.counted_as


def missing(benchmark: Benchmark[Any], samples: Sequence[Sample], items: Sequence[Item]) -> int:
    """Count the samples without an answer, in tasks of which any is answered."""
    answered = Counter(benchmark.part(item.sample) for item in items)
    asked = Counter(map(benchmark.part, samples))
    return sum(asked[part] - count for part, count in answered.items())


def _runs(benchmark: Benchmark[Any], items: Sequence[Item]) -> Mapping[str, Sequence[float]]:
    """Return what the published script prints beside its numbers; nothing where it had stopped."""
    if any(failed(benchmark, item) for item in items):
        return {}
    return benchmark.runs([_counted(benchmark, item.score) for item in items])


def _counts(benchmark: Benchmark[Any], items: Sequence[Item], absent: int) -> dict[str, int]:
    unscored = sum(isinstance(item.score, Unscored) for item in items)
    refused = sum(failed(benchmark, item) for item in items)
    counts = {
        "samples": len(items),
        "scored": len(items) - unscored,
        "unscored": unscored,
        "empty": sum(not item.response.text.strip() for item in items),
    }
    more = {"failed": refused, "missing": absent}
    return counts | {name: count for name, count in more.items() if count}


def _judge(
    benchmark: Benchmark[Any],
    annotators: Annotators,
    samples: Sequence[Sample],
    items: Sequence[Item],
) -> str:
    """Name judge and tagger, and the resources that the samples say they were read with.

    Raises:
        DataError: Several judges replied.
    """
    notes = dict.fromkeys(sample.reference.get("resources") for sample in samples)
    names = Counter(item.replies.by for item in items if item.replies.by)
    if len(names) > 1:
        told = ", ".join(f"{name} ({count})" for name, count in names.most_common())
        raise DataError(
            f"benchmark '{benchmark.name}': the replies are of several judges: {told}. Numbers of "
            "different judges are not mixed: ask one of them about all answers; for a run, by "
            "--again judgements."
        )
    by = next(iter(names), "")
    return "; ".join([annotators.describe(benchmark, by), *filter(None, notes)])
