"""Read the model's answers, and pair them with the benchmark's samples."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Response, Sample, SampleId
from harness.errors import DataError
from harness.evaluation.answers.entries import parse
from harness.evaluation.answers.formats import FORMATS, find_format
from harness.upstream.reading import decode

SHOWN = 60
"""Characters of an id in a message."""


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
    responses: dict[SampleId, Response],
    source: Path,
) -> list[tuple[Sample, Response]]:
    """Return samples with their answers, in published order.

    Raises:
        DataError: An answer belongs to no sample, or a sample lacks one that it must have.
    """
    known = {sample.id for sample in samples}
    unknown = [key for key in responses if key not in known]
    missing = [sample.id for sample in samples if sample.id not in responses]
    if unknown:
        hint = _hint(unknown, known, len(responses))
        raise DataError(f"{source}: {several(unknown)} not in '{benchmark.name}'.{hint}")
    if missing and not benchmark.partial:
        raise DataError(
            f"{source}: {several(missing)} of '{benchmark.name}' not answered. The published "
            'script needs all of them; an answer that the model left empty is "".'
        )
    return [(sample, responses[sample.id]) for sample in samples if sample.id in responses]


def several(ids: Sequence[SampleId]) -> str:
    """Name the first ten of the samples and count the rest."""
    shown = ", ".join(
        text if len(text := repr(key)) <= SHOWN else f"{text[:SHOWN]}..." for key in ids[:10]
    )
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return f"{'sample' if len(ids) == 1 else 'samples'} {shown}{more}"


def _hint(unknown: Sequence[SampleId], known: Iterable[SampleId], answers: int) -> str:
    """Say what is likely wrong: the type of the ids, or the whole file."""
    if {str(key) for key in unknown} & {str(key) for key in known}:
        return " Ids must be text or numbers as in the benchmark's own file."
    if len(unknown) == answers:
        return " Is this the file of another benchmark?"
    return ""
