"""Margins of the pairs by hardness, before and after training."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.errors import HarnessError
from harness.identity.record import Record
from harness.margins.groups import Group, by_clip_gap, by_kind, spanned
from harness.margins.records import Margins, made_by, read_margins
from harness.report.charts import Chart, Series, in_words
from harness.report.gather import Model
from harness.report.svg import Dot, DotRow, dots
from harness.report.tables import Table, TableCell, TableRow
from harness.reporting.alike import BASE
from harness.reporting.compare import Draw
from harness.reporting.words import MISSING, signed

_GROUPINGS: tuple[tuple[str, Callable[..., list[Group]]], ...] = (
    ("clip_gap", by_clip_gap),
    ("kind of pair", by_kind),
)
_WHAT = (
    "A pair's margin is log p(chosen) - log p(rejected) in nats: whole responses, given the pair's "
    "own picture and question. Before: under the base model. After: under the trained one. The "
    "reward gap is after less before, the log-ratio gap without β. Means over pairs, then over the "
    "runs of a method; the line spans from the least to the greatest run."
)
_HARD = (
    "clip_gap is CLIP's score of the chosen response less that of the rejected one: small is hard."
)
_UNKNOWN = (
    "clip_gap of these pairs is not known. `python -m harness prepare --columns clip_gap` computes "
    "it for their data, and the command that scored the pairs then adds it."
)
_MISLABELLED = "In mislabelled pairs the chosen response is the wrong one."
_OTHER_DRAWS = "Not all methods have the same seeds and worlds: each mean is over their own runs."
_OTHER_PAIRS = (
    "Not all of these runs were trained on the same pairs: hold each method's margins against its "
    "own pairs only."
)


@dataclass(frozen=True)
class Scored:
    """A run whose pairs were scored."""

    label: str
    draw: Draw
    margins: Margins


@dataclass(frozen=True)
class Grouping:
    """The pairs grouped by one kind of hardness."""

    charts: Sequence[Chart]
    """Margins before and after, and reward gaps."""
    table: Table


@dataclass(frozen=True)
class MarginsPart:
    """What the page shows."""

    notes: Sequence[str]
    groupings: Sequence[Grouping] = ()


def margins_part(models: Sequence[Model], series: Series, faults: list[str]) -> MarginsPart | None:
    """Return the charts of the runs whose pairs were scored, and how the others' would be.

    Args:
        models: Of the page.
        series: Colour and mark of every method.
        faults: Get a line for every file that is damaged or stale.

    Returns:
        None where nothing was trained.
    """
    trained = [one for one in models if one.result.method != BASE]
    if not trained:
        return None
    scored, missing = _read(trained, faults)
    lines = list(_missing(missing, len(trained)))
    if not scored:
        return MarginsPart(lines)
    groupings = [
        Grouping(list(_charts(what, rows)), _table(what, rows))
        for what, group in _GROUPINGS
        if (rows := _rows(scored, group, series))
    ]
    return MarginsPart([*_notes(scored), *lines], groupings)


def _read(models: Iterable[Model], faults: list[str]) -> tuple[list[Scored], list[str]]:
    """Return the runs that were scored, and the names of those that nobody scored."""
    scored, missing = [], []
    for model in models:
        folder = model.folder
        try:
            margins = read_margins(folder, Record.read(folder.identity))
        except (HarnessError, OSError) as error:
            faults.append(f"{folder.path.name}: its margins are left out: {error}")
            continue
        if margins is None:
            missing.append(folder.path.name)
        else:
            scored.append(Scored(model.result.label, model.result.draw, margins))
    return scored, missing


def _missing(names: Sequence[str], runs: int) -> Iterator[str]:
    if names:
        yield f"The pairs of {len(names)} of {runs} runs are not scored. {made_by(names[0])}"


def _notes(scored: Sequence[Scored]) -> Iterator[str]:
    yield _WHAT
    counts = {(len(one.margins.pairs), one.margins.total) for one in scored}
    drawn = "; ".join(f"{drawn} of {total}" for drawn, total in sorted(counts))
    yield f"Pairs drawn: {drawn}. Of the same pairs every run gets the same draw."
    pairs = [pair for one in scored for pair in one.margins.pairs]
    yield _HARD if any(pair.clip_gap is not None for pair in pairs) else _UNKNOWN
    if any(pair.origin.get("mislabelled") == "yes" for pair in pairs):
        yield _MISLABELLED
    if len(_data(scored)) > len({one.draw[0] for one in scored}):
        yield _OTHER_PAIRS
    draws: dict[str, set[Draw]] = {}
    for one in scored:
        draws.setdefault(one.label, set()).add(one.draw)
    if any(own != draws[scored[0].label] for own in draws.values()):
        yield _OTHER_DRAWS


def _data(scored: Iterable[Scored]) -> dict[tuple[int, str, str], Scored]:
    """Return a run for each base model and set of pairs."""
    keys = ((one.draw[0], one.margins.source.model, one.margins.source.data) for one in scored)
    return dict(zip(keys, scored, strict=True))


@dataclass(frozen=True)
class _Row:
    """One group of pairs."""

    name: str
    before: Dot
    after: Mapping[str, Dot]
    """By label."""
    reward_gap: Mapping[str, Dot]
    pairs: int


def _rows(
    scored: Sequence[Scored], grouping: Callable[..., list[Group]], series: Series
) -> list[_Row]:
    """Return the groups in their order, with all methods."""
    groups = [{group.name: group for group in grouping(one.margins.pairs)} for one in scored]
    found: dict[str, list[tuple[Scored, Group]]] = {}
    for one, of in zip(scored, groups, strict=True):
        for name, group in of.items():
            found.setdefault(name, []).append((one, group))
    bases = set(map(id, _data(scored).values()))
    return [_row(name, here, bases, series) for name, here in found.items()]


def _row(name: str, here: Sequence[tuple[Scored, Group]], bases: set[int], series: Series) -> _Row:
    labels = dict.fromkeys(one.label for one, _ in here)
    of: Mapping[str, list[Group]] = {
        label: [group for one, group in here if one.label == label] for label in labels
    }
    before = [group.before for one, group in here if id(one) in bases] or [here[0][1].before]
    ordered = sorted(labels, key=series.__getitem__)
    return _Row(
        spanned(name, _span([group for _, group in here])),
        _dot("before", series.get(BASE, len(series)), before, "base models"),
        {one: _dot(one, series[one], [group.after for group in of[one]]) for one in ordered},
        {one: _dot(one, series[one], [group.reward_gap for group in of[one]]) for one in ordered},
        here[0][1].pairs,
    )


def _span(groups: Iterable[Group]) -> tuple[float, float] | None:
    spans = [one.span for one in groups if one.span is not None]
    return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else None


def _dot(label: str, number: int, values: Sequence[float], of: str = "runs") -> Dot:
    mean, several = fmean(values), len(values) > 1
    low, high = (min(values), max(values)) if several else (None, None)
    spread = f" ({low:.2f} to {high:.2f} in {len(values)} {of})" if several else ""
    return Dot(number, mean, low, high, f"{label}: {mean:.2f} nats{spread}")


def _charts(what: str, rows: Sequence[_Row]) -> Iterator[Chart]:
    drawn = [DotRow(row.name, [row.before, *row.after.values()]) for row in rows]
    title = f"Margin of the pairs by {what}: before (base) and after training"
    unit = "log p(chosen) - log p(rejected), nats"
    yield Chart(title, dots(drawn, unit, in_words(title, drawn), zero=True))
    drawn = [DotRow(row.name, list(row.reward_gap.values())) for row in rows]
    title = f"Reward gap by {what}: what training added to the margin"
    yield Chart(title, dots(drawn, "nats, without β", in_words(title, drawn), zero=True))


def _table(what: str, rows: Sequence[_Row]) -> Table:
    """Return the numbers of both charts, of the methods that have them."""
    labels = dict.fromkeys(label for row in rows for label in row.after)
    cells = [
        TableRow(
            row.name,
            [
                TableCell(f"{row.pairs}"),
                TableCell(f"{row.before.value:.2f}"),
                *(TableCell(_numbers(row, label)) for label in labels),
            ],
        )
        for row in rows
    ]
    head = [f"By {what}", "Pairs", "Before", *(f"{label}: after (gap)" for label in labels)]
    return Table(f"Margins by {what}, in nats", head, cells)


def _numbers(row: _Row, label: str) -> str:
    if label not in row.after:
        return MISSING
    after, gap = row.after[label].value, row.reward_gap[label].value
    return f"{after:.2f} ({signed(gap, 'score')})"
