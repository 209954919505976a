"""How far a run is, by what lies in its folder."""

from pathlib import Path

from harness.files.digests import digest_of
from harness.runs.rundir import RunDir
from harness.settings.spec import RunSpec


def unfinished_benchmarks(run: RunDir, spec: RunSpec) -> list[str]:
    """Return the benchmarks of a run that have no scorecard yet."""
    return [
        name
        for name in spec.evaluation.benchmarks
        if not (run.scorecards / f"{name}.json").exists()
    ]


def finished(run: RunDir) -> bool:
    """Say whether a run is trained and has all its scorecards."""
    return run.model.exists() and not unfinished_benchmarks(run, run.read_spec())


def base_folder(spec: RunSpec, out: Path) -> Path:
    """Return the folder of the untrained model's evaluation.

    Its name holds a hash of the model and of how it is evaluated, and of nothing else.
    """
    identity = spec.identity()
    digest = digest_of({section: identity[section] for section in ("model", "evaluation")}, 12)
    return (out / "runs" / f"base-{spec.size}-{digest}").resolve()
