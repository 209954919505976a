"""Match recorded replies to the samples of a benchmark, and check them as a whole."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.types import FAILED_CALL, Benchmark, LLMJudge, Sample, SampleId
from harness.errors import DataError
from harness.evaluation.answers.fitting import fits_question
from harness.evaluation.answers.ids import hint_about_ids, several, text_ids
from harness.evaluation.judging.recordings.forms import OURS
from harness.evaluation.judging.recordings.read import by_id
from harness.evaluation.judging.recordings.said import Recording, Said
from harness.evaluation.judging.replies import Replies

Heard = Mapping[SampleId, Replies]


def joined(recordings: Sequence[Recording], annotator: LLMJudge | None = None) -> Heard:
    """Return the replies of all files by sample, their runs one after the other.

    Args:
        recordings: Files whose rows name their samples.
        annotator: The benchmark's judge, which tells where a run ends that no reply ended.
    """
    rows: dict[SampleId, list[Said]] = {}
    for recording in recordings:
        for key, row in by_id(recording).items():
            rows.setdefault(key, []).append(row)
    heard = {}
    for key, said in rows.items():
        runs = [run for one in said for run in one.runs]
        filled = [filled_up(run, annotator) for run in runs] if len(runs) > 1 else runs
        tagged = next((one.tagged for one in said if one.tagged is not None), None)
        heard[key] = Replies(tuple(reply for run in filled for reply in run), tagged)
    return heard


def filled_up(run: Sequence[str], annotator: LLMJudge | None) -> Sequence[str]:
    """Return a run that ends: the last reply of an unreadable one stands for all its calls.

    MM-Vet's script keeps nothing but the last reply of a run; one that cannot be read tells that
    all calls were made.
    """
    if annotator is None or not run or FAILED_CALL in run or annotator.readable(run[-1]):
        return run
    return [*run, *[run[-1]] * (len(annotator.calls) - len(run))]


def located(
    recording: Recording, benchmark: Benchmark[Any], samples: Sequence[Sample]
) -> Recording:
    """Return the recording with the benchmark's own id in every row.

    Raises:
        DataError: A row belongs to no sample, or not to the sample at its place.
    """
    given = [one.id for one in recording.said if one.id is not None]
    if len(given) < len(recording.said):
        ids = _ids_by_place(recording, benchmark, samples)
    else:
        known = {} if recording.form == OURS else text_ids(samples)
        ids = [known.get(str(key), key) for key in given]
        _require_known(recording, benchmark, samples, ids)
    by_key = {sample.id: sample for sample in samples}
    said = []
    for one, key in zip(recording.said, ids, strict=True):
        _require_fit(one, benchmark, by_key[key])
        said.append(Said(one.where, key, one.runs, one.tagged, one.judges))
    return Recording(recording.path, recording.form, said, recording.judges)


def _ids_by_place(
    recording: Recording, benchmark: Benchmark[Any], samples: Sequence[Sample]
) -> list[SampleId]:
    if len(recording.said) != len(samples):
        raise DataError(
            f"{recording.path}: {len(recording.said)} replies in the order of the questions "
            f"({recording.form}), and '{benchmark.name}' has {len(samples)} questions. Keep one "
            "per question, or take the file of this benchmark."
        )
    return [sample.id for sample in samples]


def _require_known(
    recording: Recording,
    benchmark: Benchmark[Any],
    samples: Sequence[Sample],
    ids: Sequence[SampleId],
) -> None:
    known = {sample.id for sample in samples}
    unknown = [key for key in ids if key not in known]
    if unknown:
        hint = hint_about_ids(unknown, known, len(ids))
        raise DataError(
            f"{recording.path}: replies about {several(unknown)}, not in '{benchmark.name}'.{hint}"
        )


def _require_fit(said: Said, benchmark: Benchmark[Any], sample: Sample) -> None:
    """Refuse replies about another benchmark's question or category."""
    asked = said.question is None or fits_question(said.question, benchmark, sample)
    if not asked or (said.category is not None and said.category != sample.category):
        told = "category" if asked else "question"
        raise DataError(
            f"{said.where}: the {told} is not that of sample {sample.id!r} of "
            f"'{benchmark.name}'. Take the replies about this benchmark's answers."
        )


def require_runs(source: str, benchmark: Benchmark[Any], annotator: LLMJudge, heard: Heard) -> int:
    """Return in how many runs the answers were judged.

    Raises:
        DataError: Some were judged in more runs than others, or in more than the benchmark reads.
    """
    counts = {
        key: runs_of_replies(annotator, replies.judge)
        for key, replies in heard.items()
        if replies.judge and replies.judge[-1] != FAILED_CALL
    }
    usual = Counter(counts.values()).most_common(1)[0][0] if counts else 1
    uneven = [key for key, count in counts.items() if count != usual]
    if uneven:
        raise DataError(
            f"{source}: judged in different numbers of runs: {several(uneven)} in "
            f"{counts[uneven[0]]}, the others in {usual}. Keep the same number of runs for all."
        )
    if usual > 1 and not (annotator.several_runs or annotator.recorded_runs):
        raise DataError(
            f"{source}: replies of {usual} runs, and benchmark '{benchmark.name}' reads one. Keep "
            "the replies of one run."
        )
    return usual


def runs_of_replies(annotator: LLMJudge, replies: Sequence[str]) -> int:
    """Count the runs in replies that follow one another.

    A run ends with a readable reply or when all calls are made; a refused call restarts the count.
    """
    runs = attempt = 0
    for reply in replies:
        attempt = 0 if reply == FAILED_CALL else attempt + 1
        if attempt and (annotator.readable(reply) or attempt == len(annotator.calls)):
            runs, attempt = runs + 1, 0
    return max(1, runs + bool(attempt))
