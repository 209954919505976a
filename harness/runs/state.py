"""A run and how far it is, by what lies in its folder."""

from dataclasses import dataclass
from pathlib import Path

from harness.files.digests import digest_of
from harness.runs.rundir import RunDir
from harness.settings.spec import RunSpec


@dataclass(frozen=True)
class Run:
    """One run of a call: what was asked for, and where it lies."""

    spec: RunSpec
    """As it was asked for: parts of the tiny world by their names."""
    located: RunSpec
    """The same with every place located."""
    out: Path
    """Holds runs/ and tables/."""

    @property
    def folder(self) -> RunDir:
        """The run's folder, whether it is there or not."""
        return RunDir.at(self.out / "runs", self.located)

    @property
    def base(self) -> RunDir:
        """The folder of the untrained model's evaluation, which many runs share.

        Its name holds a hash of the model and of how it is evaluated, and of nothing else.
        """
        identity = self.located.identity()
        digest = digest_of({section: identity[section] for section in ("model", "evaluation")}, 12)
        name = f"base-{self.spec.size}-{digest}"
        return RunDir((self.out / "runs" / name).resolve())

    @property
    def finished(self) -> bool:
        """Whether it is trained and has all its scorecards."""
        folder = self.folder
        return folder.model.exists() and not unfinished_benchmarks(folder, folder.read_spec())


def unfinished_benchmarks(folder: RunDir, spec: RunSpec) -> list[str]:
    """Return the benchmarks of a run, or of a base model, that have no scorecard yet."""
    return [
        name
        for name in spec.evaluation.benchmarks
        if not (folder.scorecards / f"{name}.json").exists()
    ]
