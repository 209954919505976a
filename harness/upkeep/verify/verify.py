"""Check a run: its records, and every number of its scorecards."""

from collections.abc import Iterator
from pathlib import Path

from harness.runs.rundir import RunDir
from harness.upkeep.folders import run_folder
from harness.upkeep.verify.judgement import Checked, check_judgement
from harness.upkeep.verify.records import check_records


def verify(name: str, out: Path, data: Path | None = None) -> Iterator[Checked]:
    """Yield what was looked at in a run, the records first, then each judgement.

    Nothing is written in its folder, and nobody is asked anything.

    Args:
        name: Of a run in `out`, or its folder.
        out: Holds runs/ and tables/.
        data: Holds the benchmarks' published files; None looks where the runs say.

    Raises:
        HarnessError: There is no such run.
    """
    run = RunDir(run_folder(name, out))
    yield check_records(run)
    for folder in sorted(run.judgements.glob("*")):
        if folder.is_dir():
            yield check_judgement(run, folder, data)
