"""Runs side by side: one row per method, one column per metric and evaluation setting."""

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, LLMJudge, Metric, Scorecard
from harness.errors import ConfigError
from harness.evaluation.guard.records import Guarded
from harness.reporting.published import PublishedValue
from harness.reporting.statistics import Estimate, estimate_of
from harness.reporting.words import DIGITS, header
from harness.settings.spec import drawn
from harness.statistics.measure import Measured

ORDER = ("base", "dpo", "rlhf_v", "dama")
"""Rows of these methods come first."""


Draw = tuple[int, int]
"""World and seed of a run."""


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
    world: int = 0
    """Which tiny world it was trained in, at size tiny."""
    guard: tuple[Guarded, ...] = ()
    """What tasks of the guard found of its general ability."""

    @property
    def draw(self) -> Draw:
        """World and seed."""
        return self.world, self.seed


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
    """One metric of one method over its worlds and seeds."""

    official: Estimate
    careful: Estimate | None
    unscored: int
    empty: int
    samples: int
    """Like `unscored` and `empty`, summed over the runs."""
    judged: bool = False
    """Whether a language model judges; else what is unscored is the answer itself."""
    over_items: Measured | None = None
    """Of a single seed: what draws of its items say."""
    draws: tuple[Draw, ...] = ()
    """World and seed of every run that it is the mean of."""
    missing: int = 0
    """Samples without an answer, summed over the runs."""

    @property
    def worlds(self) -> frozenset[int]:
        """The worlds that it is the mean of."""
        return frozenset(world for world, _ in self.draws)

    @property
    def is_withheld(self) -> bool:
        """Whether so many replies are unreadable that there is no number to show."""
        return self.judged and too_unreadable(self.unscored, self.samples)


@dataclass(frozen=True)
class Row:
    """One method with its variant, over all worlds and seeds."""

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

    @property
    def worlds(self) -> int:
        """Number of worlds that its runs are from."""
        return len({run.world for row in self.rows for run in row.runs})

    def is_best(self, row: Row, column: Column) -> bool:
        """Whether no other row is better, as far as the digits shown can tell.

        Only rows over the same worlds compare. A row alone among these is not best: there is
        nothing that it is better than.
        """
        own = row.cells.get(column)
        if own is None:
            return False
        shown = {
            other.label: round(cell.official.mean, DIGITS[column.metric.unit])
            for other in self.rows
            if (cell := other.cells.get(column))
            and math.isfinite(cell.official.mean)
            and not cell.is_withheld
            and cell.worlds == own.worlds
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
        ConfigError: Two runs of one label share world and seed.
    """
    own = joined([run for run in runs if run.size == size])
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


def joined(runs: Sequence[RunResult]) -> list[RunResult]:
    """Return the runs with one data version for all worlds, which names each world's own.

    The worlds' benchmarks are drawn alike from different seeds, so a mean over worlds is one of
    different files. Where a world has several versions of one benchmark, nothing is joined.
    """
    if len({run.world for run in runs}) < 2:
        return list(runs)
    versions: dict[str, dict[int, set[str]]] = {}
    for run in runs:
        for name, card in run.scorecards.items():
            versions.setdefault(name, {}).setdefault(run.world, set()).add(card.data)
    told = {
        name: ", ".join(f"{next(iter(of[world]))} (world {world})" for world in sorted(of))
        for name, of in versions.items()
        if all(len(found) == 1 for found in of.values())
    }
    return [
        replace(
            run,
            scorecards={
                name: replace(card, data=told.get(name, card.data))
                for name, card in run.scorecards.items()
            },
        )
        for run in runs
    ]


def by_world(values: Mapping[Draw, float]) -> dict[int, list[float]]:
    """Group the values of runs by their worlds."""
    groups: dict[int, list[float]] = {}
    for (world, _), value in values.items():
        groups.setdefault(world, []).append(value)
    return groups


def metrics_in(benchmark: Benchmark[Any], cards: Iterable[Scorecard]) -> list[Metric]:
    """Return the metrics of a benchmark in table order; of a family, those that the cards hold."""
    names = dict.fromkeys(name for card in cards for name in (*card.official, *card.careful))
    return [one for metric in benchmark.metrics for one in metric.members(names)]


def settings_of(runs: Iterable[RunResult], benchmark: str) -> list[Setting]:
    """Return the settings under which a benchmark was scored, in order of appearance."""
    cards = (run.scorecards.get(benchmark) for run in runs)
    return list(dict.fromkeys(Setting.of(card) for card in cards if card))


def _by_label(runs: Sequence[RunResult]) -> dict[str, tuple[RunResult, ...]]:
    groups: dict[str, dict[Draw, RunResult]] = {}
    for run in sorted(runs, key=_row_order):
        draws = groups.setdefault(run.label, {})
        if run.draw in draws:
            raise ConfigError(
                f"two runs of '{run.label}' have {drawn(*run.draw)}, so their mean would count "
                "one twice. Compare one of them only, or give the other a variant."
            )
        draws[run.draw] = run
    return {label: tuple(draws.values()) for label, draws in groups.items()}


def _row_order(run: RunResult) -> tuple[int, int, str, str, str, Draw]:
    method = ORDER.index(run.method) if run.method in ORDER else len(ORDER)
    return run.place, method, run.method, run.variant or "", run.label, run.draw


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
        cards = {
            run.draw: card
            for run in runs
            if (card := run.scorecards.get(column.benchmark)) and Setting.of(card) == column.setting
        }
        if cell := cell_of(cards, column.metric.name, judged=column.benchmark in judged):
            cells[column] = cell
    return cells


def cell_of(cards: Mapping[Draw, Scorecard], metric: str, *, judged: bool) -> Cell | None:
    """Average one metric over scorecards of one setting, or return None where none has it."""
    cards = {draw: card for draw, card in cards.items() if metric in card.official}
    if not cards:
        return None
    official = {draw: card.official[metric] for draw, card in cards.items()}
    careful = {draw: card.careful[metric] for draw, card in cards.items() if metric in card.careful}

    def total(count: str) -> int:
        return sum(card.counts.get(count, 0) for card in cards.values())

    return Cell(
        official=estimate_of(by_world(official)),
        careful=estimate_of(by_world(careful)) if careful else None,
        unscored=total("unscored"),
        empty=total("empty"),
        samples=total("samples"),
        judged=judged,
        draws=tuple(cards),
        missing=total("missing"),
    )
