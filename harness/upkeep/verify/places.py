"""Where the published files of a benchmark lie that a judgement was made with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark
from harness.errors import HarnessError
from harness.evaluation.score import DATA
from harness.runs.rundir import RunDir
from harness.upstream.reading import read_data


def benchmark_data(
    run: RunDir, benchmark: Benchmark[Any], version: str, given: Path | None
) -> Path | None:
    """Return the folder of the files with that version, by their content; None where none is here.

    Args:
        run: Looked up first, then the runs beside it: a base model has no specification.
        benchmark: Whose files.
        version: As on the scorecard.
        given: Holds the folders of the benchmarks; None looks where the runs say.
    """
    places = [given] if given is not None else dict.fromkeys(_places(run))
    for place in places:
        folder = place / benchmark.name
        try:
            if read_data(benchmark, folder)[1] == version:
                return folder
        except HarnessError:
            continue  # it holds something else, or nothing
    return None


def _places(run: RunDir) -> Iterator[Path]:
    for folder in (run.path, *sorted(run.path.parent.iterdir())):
        other = RunDir(folder)
        try:
            if other.spec_file.is_file():
                yield Path(other.read_spec().evaluation.data)
        except HarnessError:
            continue  # `list runs` names it
    yield DATA
