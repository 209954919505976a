"""Read the model's answers, and pair them with the benchmark's samples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Response, Sample, SampleId
from harness.errors import DataError
from harness.evaluation.answers.entries import parse
from harness.evaluation.answers.fitting import fits_question, require_answers, require_prompts
from harness.evaluation.answers.formats import FORMATS, find_format
from harness.evaluation.answers.ids import bare_ids, hint_about_ids, several
from harness.upstream.reading import decode


def read_responses(
    path: Path, samples: Sequence[Sample], form: str | None = None
) -> tuple[dict[SampleId, Response], str]:
    """Return the answers by sample id, and the name of the format they stand in.

    Args:
        path: File in one of the known formats.
        samples: The benchmark's, by which answers without ids are found.
        form: Name of the format; None finds it by the first entry.

    Raises:
        ConfigError: There is no such format.
        DataError: The file holds something else, or a sample is answered twice.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: cannot read the answers ({reason}).") from error
    entries = parse(decode(content, path), str(path))
    if not entries:
        raise DataError(f"{path}: there is no answer in it.")
    name = find_format(entries, form, str(path))
    responses = FORMATS[name].read(entries, samples)
    counts = Counter(response.id for response in responses)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        raise DataError(f"{path}: {several(twice)} answered twice. Keep one answer per sample.")
    return {response.id: response for response in responses}, name


def pair(
    benchmark: Benchmark[Any],
    samples: Sequence[Sample],
    given: Mapping[SampleId, Response],
    source: Path,
) -> list[tuple[Sample, Response]]:
    """Return samples with their answers, in published order.

    Raises:
        DataError: An answer belongs to no sample, or to another question, or is the question
            itself; or a sample lacks one that it must have.
    """
    responses = _own_ids(benchmark, samples, given)
    known = {sample.id for sample in samples}
    unknown = [key for key in responses if key not in known]
    missing = [sample.id for sample in samples if sample.id not in responses]
    if unknown:
        hint = hint_about_ids(unknown, known, len(responses))
        raise DataError(f"{source}: {several(unknown)} not in '{benchmark.name}'.{hint}")
    if missing and not benchmark.partial:
        raise DataError(
            f"{source}: {several(missing)} of '{benchmark.name}' not answered. The published "
            'script needs all of them; an answer that the model left empty is "".'
        )
    pairs = [(sample, responses[sample.id]) for sample in samples if sample.id in responses]
    require_answers(str(source), samples, list(responses.values()))
    require_prompts(benchmark, pairs, str(source))
    return pairs


def _own_ids(
    benchmark: Benchmark[Any], samples: Sequence[Sample], responses: Mapping[SampleId, Response]
) -> Mapping[SampleId, Response]:
    """Return the answers under the benchmark's ids, where theirs are its bare numbers.

    As the numbers of another benchmark look the same, either all samples must be there, or what was
    asked must fit.
    """
    bare = bare_ids(samples)
    if not all(str(key) in bare for key in responses):
        return responses
    named = {bare[str(key)]: replace(one, id=bare[str(key)]) for key, one in responses.items()}
    by_id = {sample.id: sample for sample in samples}
    fitting = all(
        one.asked is not None and fits_question(one.asked, benchmark, by_id[key])
        for key, one in named.items()
    )
    return named if len(named) == len(samples) or fitting else responses
