"""Runs side by side: one row per method, one column per metric and evaluation setting."""

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, LLMJudge, Metric, Scorecard
from harness.errors import ConfigError
from harness.reporting.published import PublishedValue
from harness.reporting.statistics import Estimate, over_seeds
from harness.reporting.words import DIGITS, header
from harness.statistics.measure import Measured

ORDER = ("base", "dpo", "rlhf_v", "dama")
"""Rows of these methods come first."""


@dataclass(frozen=True)
class RunResult:
    """The scorecards of one evaluated model and where they come from."""

    label: str
    """Method with its variant, as shown in tables."""
    method: str
    variant: str | None
    size: str
    seed: int
    scorecards: Mapping[str, Scorecard]
    """By benchmark."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Shown below the table of the run: checkpoint, code, versions."""
    place: int = 0
    """Rows of a lower place come first; among equal ones the method decides."""
    items: Mapping[str, Path] = field(default_factory=dict)
    """By benchmark: the file of its judged items, its scorecard beside it."""


@dataclass(frozen=True)
class Setting:
    """What two numbers must share to be compared."""

    judge: str
    data: str
    protocol: str

    @classmethod
    def of(cls, scorecard: Scorecard) -> "Setting":
        """Return the setting of a scorecard."""
        return cls(scorecard.judge, scorecard.data, scorecard.protocol)


@dataclass(frozen=True)
class Column:
    """One metric under one setting."""

    benchmark: str
    metric: Metric
    setting: Setting
    mark: str = ""
    """Tells apart the settings of one benchmark: `(a)`, `(b)`; empty when there is one."""

    @property
    def header(self) -> str:
        """Readable name with an arrow, and the mark of the setting."""
        return f"{header(self.benchmark, self.metric)} {self.mark}".strip()


MOST_UNREADABLE = 0.1
"""Share of a judge's replies; if more cannot be read, what is left says nothing."""


def too_unreadable(unreadable: int, replies: int) -> bool:
    """Tell whether a judge can be read so seldom that there is no number to show."""
    return unreadable > MOST_UNREADABLE * replies


@dataclass(frozen=True)
class Cell:
    """One metric of one method over its seeds."""

    official: Estimate
    careful: Estimate | None
    unscored: int
    empty: int
    samples: int
    """Like `unscored` and `empty`, summed over the seeds."""
    judged: bool = False
    """Whether a language model judges; else what is unscored is the answer itself."""
    over_items: Measured | None = None
    """Of a single seed: what draws of its items say."""

    @property
    def is_withheld(self) -> bool:
        """Whether so many replies are unreadable that there is no number to show."""
        return self.judged and too_unreadable(self.unscored, self.samples)


@dataclass(frozen=True)
class Row:
    """One method with its variant, over all seeds."""

    label: str
    runs: tuple[RunResult, ...]
    cells: Mapping[Column, Cell]


@dataclass(frozen=True)
class Comparison:
    """All runs of one size, and the published values that stand beside them."""

    size: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    published: tuple[PublishedValue, ...]

    def is_best(self, row: Row, column: Column) -> bool:
        """Whether no other row is better, as far as the digits shown can tell.

        A row alone in its column is not best: there is nothing that it is better than.
        """
        shown = {
            other.label: round(cell.official.mean, DIGITS[column.metric.unit])
            for other in self.rows
            if (cell := other.cells.get(column))
            and math.isfinite(cell.official.mean)
            and not cell.is_withheld
        }
        if row.label not in shown or len(shown) < 2:
            return False
        best = (max if column.metric.higher_is_better else min)(shown.values())
        return shown[row.label] == best


def compare(
    runs: Sequence[RunResult],
    size: str,
    benchmarks: Sequence[Benchmark[Any]],
    published: Sequence[PublishedValue] = (),
) -> Comparison:
    """Return the comparison of the runs of one size; runs of other sizes are left out.

    Raises:
        ConfigError: Two runs of one label share a seed.
    """
    own = [run for run in runs if run.size == size]
    groups = _by_label(own)
    columns = tuple(
        Column(benchmark.name, metric, setting, mark)
        for benchmark in benchmarks
        for setting, mark in _marked_settings(own, benchmark.name)
        for metric in benchmark.metrics
        if metric.headline
    )
    judged = {one.name for one in benchmarks if isinstance(one.annotator, LLMJudge)}
    rows = tuple(
        Row(label, group, _cells(group, columns, judged)) for label, group in groups.items()
    )
    names = {benchmark.name for benchmark in benchmarks}
    beside = [one for one in published if one.benchmark in names and one.belongs_to(size)]
    return Comparison(size, columns, rows, tuple(beside))


def metrics_in(benchmark: Benchmark[Any], cards: Iterable[Scorecard]) -> list[Metric]:
    """Return the metrics of a benchmark in table order; of a family, those that the cards hold."""
    names = dict.fromkeys(name for card in cards for name in (*card.official, *card.careful))
    return [one for metric in benchmark.metrics for one in metric.members(names)]


def settings_of(runs: Iterable[RunResult], benchmark: str) -> list[Setting]:
    """Return the settings under which a benchmark was scored, in order of appearance."""
    cards = (run.scorecards.get(benchmark) for run in runs)
    return list(dict.fromkeys(Setting.of(card) for card in cards if card))


def _by_label(runs: Sequence[RunResult]) -> dict[str, tuple[RunResult, ...]]:
    groups: dict[str, dict[int, RunResult]] = {}
    for run in sorted(runs, key=_row_order):
        seeds = groups.setdefault(run.label, {})
        if run.seed in seeds:
            raise ConfigError(
                f"two runs of '{run.label}' have seed {run.seed}, so their mean would count one "
                "twice. Compare one of them only, or give the other a variant."
            )
        seeds[run.seed] = run
    return {label: tuple(seeds.values()) for label, seeds in groups.items()}


def _row_order(run: RunResult) -> tuple[int, int, str, str, str, int]:
    method = ORDER.index(run.method) if run.method in ORDER else len(ORDER)
    return run.place, method, run.method, run.variant or "", run.label, run.seed


def _marked_settings(runs: Sequence[RunResult], benchmark: str) -> list[tuple[Setting, str]]:
    settings = settings_of(sorted(runs, key=_row_order), benchmark)
    if len(settings) == 1:
        return [(settings[0], "")]
    return [(setting, f"({_letters(place)})") for place, setting in enumerate(settings)]


def _letters(place: int) -> str:
    """Return a, b, ..., z, aa, ab, ..."""
    ahead, last = divmod(place, 26)
    return (_letters(ahead - 1) if ahead else "") + chr(ord("a") + last)


def _cells(
    runs: Sequence[RunResult], columns: Sequence[Column], judged: Container[str]
) -> dict[Column, Cell]:
    cells = {}
    for column in columns:
        cards = [
            card
            for run in runs
            if (card := run.scorecards.get(column.benchmark)) and Setting.of(card) == column.setting
        ]
        if cell := cell_of(cards, column.metric.name, judged=column.benchmark in judged):
            cells[column] = cell
    return cells


def cell_of(cards: Sequence[Scorecard], metric: str, *, judged: bool) -> Cell | None:
    """Average one metric over scorecards of one setting, or return None where none has it."""
    cards = [card for card in cards if metric in card.official]
    if not cards:
        return None
    careful = [card.careful[metric] for card in cards if metric in card.careful]

    def total(count: str) -> int:
        return sum(card.counts.get(count, 0) for card in cards)

    return Cell(
        official=over_seeds([card.official[metric] for card in cards]),
        careful=over_seeds(careful) if careful else None,
        unscored=total("unscored"),
        empty=total("empty"),
        samples=total("samples"),
        judged=judged,
    )
