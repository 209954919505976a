"""Read what scoring starts from: the benchmark's data and the model's answers."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Response, Sample, SampleId
from harness.errors import DataError


def read_data(benchmark: Benchmark[Any], folder: Path) -> tuple[list[Sample], str]:
    """Return the samples and the version of the data: sha256 over the files read.

    A file that is published in a subfolder may also lie in the folder itself.

    Raises:
        DataError: The folder does not hold this benchmark.
    """
    texts: dict[str, str] = {}
    digest = hashlib.sha256()
    for name in sorted(benchmark.files):
        places = (folder / name, folder / Path(name).name)
        found = next((place for place in places if place.is_file()), None)
        if found is not None:
            content = found.read_bytes()
            digest.update(name.encode() + hashlib.sha256(content).digest())
            texts[name] = content.decode("utf-8")
    try:
        samples = list(benchmark.read(texts))
    except ValueError as error:
        raise DataError(
            f"{folder}: not the data of benchmark '{benchmark.name}': {error}. "
            "Check them with: python -m harness data verify"
        ) from error
    return samples, f"sha256:{digest.hexdigest()[:12]}"


def read_responses(path: Path) -> dict[SampleId, Response]:
    """Return the answers by sample id: JSONL of {"id", "response"}.

    Raises:
        DataError: A line is not an answer, or a sample has two.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the answers ({error})") from error
    responses = [
        _response(line, f"{path}:{number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    counts = Counter(response.id for response in responses)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        raise DataError(f"{path}: {_several(twice)} answered twice. Keep one line per sample.")
    return {response.id: response for response in responses}


def _response(line: str, where: str) -> Response:
    try:
        row = json.loads(line)
        sample_id, text = row["id"], row["response"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f'{where}: expected {{"id": ..., "response": "..."}} ({error!r})'
        ) from error
    if not isinstance(text, str) or not isinstance(sample_id, str | int):
        raise DataError(f"{where}: id must be text or an integer, response must be text")
    return Response(sample_id, text)


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
        hint = _type_hint(unknown, known)
        raise DataError(f"{source}: {_several(unknown)} not in '{benchmark.name}'.{hint}")
    if missing and not benchmark.partial:
        raise DataError(f"{source}: {_several(missing)} of '{benchmark.name}' not answered.")
    if not responses:
        raise DataError(f"{source}: there is no answer in it.")
    return [(sample, responses[sample.id]) for sample in samples if sample.id in responses]


def _several(ids: Sequence[SampleId]) -> str:
    shown = ", ".join(repr(key) for key in ids[:10])
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return f"{'sample' if len(ids) == 1 else 'samples'} {shown}{more}"


def _type_hint(unknown: Sequence[SampleId], known: Iterable[SampleId]) -> str:
    """Say so if the ids only differ in being text or numbers."""
    if {str(key) for key in unknown} & {str(key) for key in known}:
        return " Ids must be text or numbers as in the benchmark's own file."
    return ""
