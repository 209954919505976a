"""Which of several judgements of a model counts, and what is said of the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.types import Scorecard
from harness.errors import ConfigError
from harness.evaluation.scorecards import setting_of
from harness.reporting.neighbours import text_of
from harness.reporting.words import benchmark_name
from harness.runs.rundir import RunDir

_NAMED = 2
"""Most runs that a line names."""


@dataclass(frozen=True)
class Judged:
    """One judgement of a model's answers, and where it lies."""

    folder: Path
    identity: Mapping[str, Any]
    made: datetime
    card: Scorecard

    @property
    def setting(self) -> str:
        """What it must share with another to stand beside it."""
        return text_of(setting_of(self.identity))


Groups = Mapping[str, Sequence[Judged]]
"""The judgements of a model by benchmark, the latest first."""


def latest(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    """Group the judgements of a model by benchmark, the latest first."""
    groups: dict[str, list[Judged]] = {}
    for one in sorted(judged, key=lambda one: one.made, reverse=True):
        groups.setdefault(one.card.benchmark, []).append(one)
    return groups


def by_judge(models: Sequence[Groups], wanted: str | None) -> list[Groups]:
    """Keep the judgements of one judge only, by benchmarks that it judged of any model.

    Args:
        models: The judgements of every model.
        wanted: What the judge's name in tables holds; None for all.

    Raises:
        ConfigError: No judgement is by such a judge.
    """
    if wanted is None:
        return list(models)
    every = [one for groups in models for judged in groups.values() for one in judged]
    asked = {one.card.benchmark for one in every if wanted in one.card.judge}
    if not asked:
        names = "; ".join(sorted({one.card.judge for one in every})) or "nobody"
        raise ConfigError(f"--judge: nothing was judged by {wanted!r}. Judged by: {names}.")
    kept = [
        {
            name: [one for one in judged if name not in asked or wanted in one.card.judge]
            for name, judged in groups.items()
        }
        for groups in models
    ]
    return [{name: judged for name, judged in groups.items() if judged} for groups in kept]


def told_left_out(left: Iterable[tuple[RunDir, Judged]]) -> Iterator[str]:
    """Say of judgements that others stand for them, a line for all that were judged alike."""
    runs: dict[tuple[str, str, str, str], list[str]] = {}
    for folder, one in left:
        card = one.card
        alike = (card.benchmark, card.judge, card.data, card.protocol)
        runs.setdefault(alike, []).append(folder.path.name)
    for (name, judge, data, protocol), names in runs.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield (
            f"{benchmark_name(name)} of {', '.join(names[:_NAMED])}{more} is left out as judged "
            f"otherwise than most, or earlier: judge {judge}; data {data}; protocol {protocol}. "
            "`compare --judge NAME` shows it."
        )
