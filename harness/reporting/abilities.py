"""General ability beside hallucination: each run next to its base model, by task and metric."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.evaluation.guard.records import Guarded
from harness.files.digests import digest_of
from harness.reporting.compare import Draw, RunResult, by_world
from harness.reporting.statistics import Estimate, estimate_of

BASE = "base"
_DIGITS, _LARGE_DIGITS = 3, 1
"""After the point, of numbers up to 1 and of larger ones."""


@dataclass(frozen=True)
class Measured:
    """One metric of a task over the runs of a row."""

    estimate: Estimate
    stderr: float | None
    """lmms-eval's own, over the items; of a single run."""


@dataclass(frozen=True)
class AbilityRow:
    """One metric of a task: the base model, the runs of one label, and the difference."""

    label: str
    task: str
    """With a mark where runs were asked in several settings."""
    metric: str
    higher_is_better: bool
    items: int
    base: Measured | None
    own: Measured
    difference: Estimate | None

    @property
    def digits(self) -> int:
        """How many digits after the point its numbers have."""
        shown = [self.own.estimate.mean, *([self.base.estimate.mean] if self.base else [])]
        return _DIGITS if all(abs(one) <= 1 for one in shown) else _LARGE_DIGITS

    @property
    def is_worse(self) -> bool:
        """Whether the runs are below their base model, as far as the digits shown can tell."""
        if self.difference is None:
            return False
        gain = self.difference.mean if self.higher_is_better else -self.difference.mean
        return round(gain, self.digits) < 0


def abilities(runs: Sequence[RunResult]) -> list[AbilityRow]:
    """Return the rows of all labels; the base model has rows of its own where it is alone."""
    labels = list(dict.fromkeys(run.label for run in runs))
    shown = [label for label in labels if label != BASE] or labels
    return [
        row
        for task, found in by_setting(runs).items()
        for label in shown
        for row in _rows(label, task, found)
    ]


Found = Sequence[tuple[RunResult, Guarded]]


def by_setting(runs: Sequence[RunResult]) -> dict[str, Found]:
    """Group the records by task; those of one task in several settings get the marks (a), (b).

    The worlds' questions are drawn alike from different seeds, so over several worlds the data do
    not part one setting from another.
    """
    several = len({run.world for run in runs}) > 1
    groups: dict[str, dict[str, list[tuple[RunResult, Guarded]]]] = {}
    for run in runs:
        for one in run.guard:
            setting = _across_worlds(one) if several else one.setting
            groups.setdefault(one.task, {}).setdefault(setting, []).append((run, one))
    return {
        task if len(settings) == 1 else f"{task} ({chr(ord('a') + place)})": found
        for task, settings in groups.items()
        for place, found in enumerate(settings.values())
    }


def _across_worlds(one: Guarded) -> str:
    identity = {
        key: value for key, value in one.identity.items() if key not in ("checkpoint", "data")
    }
    return digest_of(identity, 12)


def _rows(label: str, task: str, found: Found) -> Iterator[AbilityRow]:
    own = [(run, one) for run, one in found if run.label == label]
    base = {run.world: one for run, one in found if run.label == BASE}
    metrics = dict.fromkeys(metric for _, one in own for metric in one.metrics)
    for metric in metrics:
        values = {run.draw: one for run, one in own if metric in one.metrics}
        theirs = {(world, 0): one for world, one in base.items() if metric in one.metrics}
        first = next(iter(values.values()))
        yield AbilityRow(
            label,
            task,
            metric,
            first.metrics[metric].higher_is_better,
            first.items,
            _measured(theirs, metric) if label != BASE else None,
            _of_runs(values, metric),
            _difference(values, theirs, metric) if label != BASE else None,
        )


def _of_runs(found: Mapping[Draw, Guarded], metric: str) -> Measured:
    values = {draw: one.metrics[metric].value for draw, one in found.items()}
    only = next(iter(found.values())) if len(found) == 1 else None
    return Measured(estimate_of(by_world(values)), only.metrics[metric].stderr if only else None)


def _measured(found: Mapping[Draw, Guarded], metric: str) -> Measured | None:
    return _of_runs(found, metric) if found else None


def _difference(
    own: Mapping[Draw, Guarded], base: Mapping[Draw, Guarded], metric: str
) -> Estimate | None:
    """Return the mean difference from the base model of each run's own world."""
    theirs = {world: one.metrics[metric].value for (world, _), one in base.items()}
    paired = {
        draw: one.metrics[metric].value - theirs[draw[0]]
        for draw, one in own.items()
        if draw[0] in theirs
    }
    return estimate_of(by_world(paired)) if paired else None
