"""What moved between a table and the numbers of today, and whether chance explains it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.regression.reference import (
    SETTING,
    Number,
    Reference,
    RunName,
    number_of,
    runs_in,
    setting_of,
)
from harness.reporting.writers.records import Record
from harness.statistics.compare import LEVEL, holm, student
from harness.statistics.measure import Measured, moved
from harness.world.shipped import FOLDER

NOTHING = "—"
_ASKED = (*SETTING, "samples")
_SCORED = ("scored", "unscored", "empty")
_ORACLES = ("oracle (tiny world)", "tagger: oracle (tiny world)")


@dataclass(frozen=True)
class Move:
    """One thing that is not what it was."""

    run: RunName
    what: str
    """The number, or the column that names another setting."""
    before: str
    after: str
    is_beyond: bool
    """Whether it is more than is allowed."""
    errors: float | None = None
    """By how many standard errors a number moved; None where it must be equal, or has none."""
    why: str = ""


@dataclass(frozen=True)
class Held:
    """The numbers of today against a table."""

    compared: int
    """Numbers that stand on both sides."""
    runs: tuple[RunName, ...]
    unknown: tuple[RunName, ...]
    """Runs of today that the table does not hold."""
    moves: tuple[Move, ...]

    @property
    def is_beyond(self) -> bool:
        """Whether anything moved more than is allowed."""
        return any(move.is_beyond for move in self.moves)


def is_exact(record: Record) -> bool:
    """Say whether a number is the same on every machine: an oracle's on a shipped tiny world."""
    if record.size != "tiny" or not (FOLDER / record.world).is_dir():
        return False
    return record.judge.startswith(_ORACLES)


def held_against(records: Sequence[Record], reference: Reference) -> Held:
    """Hold the numbers of runs against those that a table gives for the same runs."""
    there = reference.runs
    own = {number_of(record): record for record in records}
    runs = [run for run in runs_in(records) if run in there]
    pairs = {number: (reference.like(one), one) for number, one in own.items()}
    moves = [
        *_lost(reference, own, runs),
        *_otherwise(pairs.values(), runs),
        *_exact(pairs, runs),
        *_by_chance(pairs, runs, reference),
    ]
    compared = sum(before is not None for before, _ in pairs.values())
    unknown = tuple(run for run in runs_in(records) if run not in there)
    order = {run: place for place, run in enumerate(runs)}
    moves.sort(key=lambda move: order[move.run])
    return Held(compared, tuple(runs), unknown, tuple(moves))


def _lost(
    reference: Reference, own: Mapping[Number, Record], runs: Sequence[RunName]
) -> Iterable[Move]:
    """Yield the numbers of known runs that stand on one side alone."""
    for number, rows in reference.records.items():
        if number.run in runs and number not in own:
            yield Move(number.run, _told(number), rows[0].value, NOTHING, True, why="is gone")
    for number, record in own.items():
        if number.run in runs and number not in reference.records:
            yield Move(number.run, _told(number), NOTHING, record.value, True, why="is new")


def _otherwise(
    pairs: Iterable[tuple[Record | None, Record]], runs: Sequence[RunName]
) -> Iterable[Move]:
    """Yield once for each benchmark of a run what it was asked, judged or counted otherwise."""
    found: dict[tuple[RunName, str, str], Move] = {}
    for before, after in pairs:
        run = number_of(after).run
        if before is None or run not in runs:
            continue
        for name in (*_ASKED, *(_SCORED if is_exact(before) else ())):
            old, new = getattr(before, name), getattr(after, name)
            if old != new:
                what = f"{after.benchmark}: {name}"
                found[run, after.benchmark, name] = Move(
                    run, what, old, new, True, why="must be equal"
                )
    return found.values()


def _exact(
    pairs: Mapping[Number, tuple[Record | None, Record]], runs: Sequence[RunName]
) -> Iterable[Move]:
    """Yield the numbers that must be equal and are not."""
    for number, (before, after) in pairs.items():
        if number.run not in runs or before is None or not is_exact(before):
            continue
        if not _same(before, after):
            told = _told(number)
            yield Move(number.run, told, before.value, after.value, True, why="must be equal")


def _by_chance(
    pairs: Mapping[Number, tuple[Record | None, Record]],
    runs: Sequence[RunName],
    reference: Reference,
) -> Iterable[Move]:
    """Yield the other numbers that moved, judged by their standard errors, all together.

    A number without an interval decides nothing, unless its benchmark has none that does.
    """
    known: dict[Number, tuple[Record, Record]] = {
        number: (before, after)
        for number, (before, after) in pairs.items()
        if number.run in runs and before is not None and not is_exact(before)
    }
    measured = {
        number: one
        for number, (before, after) in known.items()
        if (one := _measured(number, before, after, pairs, reference)) is not None
    }
    decided = {(number.run, number.benchmark) for number in measured}
    told = dict(zip(measured, holm([student(one) for one in measured.values()]), strict=True))
    for number, (before, after) in known.items():
        if _same(before, after):
            continue
        move = Move(number.run, _told(number), before.value, after.value, False)
        if (one := measured.get(number)) is None:
            beyond = (number.run, number.benchmark) not in decided
            yield replace(move, is_beyond=beyond, why="has no standard error")
            continue
        errors = abs(one.value) / one.error if one.error else math.inf
        beyond = told[number] < LEVEL
        why = f"p {told[number]:.3g}, {'more than chance' if beyond else 'chance'}"
        yield replace(move, is_beyond=beyond, errors=errors, why=why)


def _measured(
    number: Number,
    before: Record,
    after: Record,
    pairs: Mapping[Number, tuple[Record | None, Record]],
    reference: Reference,
) -> Measured | None:
    """Return how far a number moved; None where neither side has an interval.

    A side that has none counts as uncertain as the other.
    """
    official, today = pairs.get(number._replace(kind="official"), (before, after))
    known = [span for one in (official, today) if one and (span := _interval(one))]
    values = float(before.value), float(after.value)
    if not known or not all(map(math.isfinite, values)):
        return None
    items = min((int(one.samples) for one in (before, after) if one.samples.isdigit()), default=2)
    seeds = [
        float(row.value)
        for other, rows in reference.records.items()
        if other._replace(run=other.run._replace(seed=number.run.seed)) == number
        for row in rows
        if setting_of(row) == setting_of(before)
    ]
    return moved(*values, (known * 2)[:2], items, seeds)


def _interval(record: Record) -> tuple[float, float] | None:
    return (float(record.low), float(record.high)) if record.low and record.high else None


def _same(before: Record, after: Record) -> bool:
    one, two = float(before.value), float(after.value)
    return one == two or (math.isnan(one) and math.isnan(two))


def _told(number: Number) -> str:
    careful = "" if number.kind == "official" else f" ({number.kind})"
    return f"{number.benchmark} {number.metric}{careful}"
