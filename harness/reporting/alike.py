"""What two rows have in common: only over the same worlds and seeds do they compare.

The base model has no seed: every run of a world is compared with it.
"""

from collections.abc import Iterable, Mapping

from harness.reporting.compare import Column, Comparison, Draw, Row, Setting

AGAINST = ("base", "dpo")
"""Labels of the rows that the others are compared with."""
BASE = AGAINST[0]


def shared_draws(row: Iterable[Draw], other: Iterable[Draw], *, with_base: bool) -> list[Draw]:
    """Return the worlds and seeds of a row that another has too, in order."""
    theirs = set(other)
    if with_base:
        worlds = {world for world, _ in theirs}
        return sorted(draw for draw in set(row) if draw[0] in worlds)
    return sorted(set(row) & theirs)


def paired(row: Row, other: Row, column: Column) -> dict[Draw, tuple[float, float]]:
    """Return the numbers of two rows in one column where both have one, by world and seed."""
    own, theirs = _values(row, column), _values(other, column)
    of_world = {world: value for (world, _), value in theirs.items()}
    with_base = other.label == BASE
    return {
        draw: (own[draw], of_world[draw[0]] if with_base else theirs[draw])
        for draw in shared_draws(own, theirs, with_base=with_base)
    }


def _values(row: Row, column: Column) -> Mapping[Draw, float]:
    cell = row.cells.get(column)
    if cell is None or cell.is_withheld:
        return {}
    return {
        run.draw: card.official[column.metric.name]
        for run in row.runs
        if (card := run.scorecards.get(column.benchmark))
        and Setting.of(card) == column.setting
        and column.metric.name in card.official
    }


def unlike(comparison: Comparison) -> list[str]:
    """Say which rows are not over the same worlds and seeds, and over what they are compared.

    Nothing is said where every row has the runs of the others.
    """
    rows = {row.label: _draws(row) for row in comparison.rows}
    return [*_unlike_means(rows), *_unlike_pairs(rows)]


def _draws(row: Row) -> list[Draw]:
    return sorted({run.draw for run in row.runs if run.scorecards})


def _unlike_means(rows: Mapping[str, list[Draw]]) -> list[str]:
    """Say that means over other worlds do not compare, if there are any."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for label, draws in rows.items():
        if draws:
            groups.setdefault(tuple(sorted({world for world, _ in draws})), []).append(label)
    if len(groups) < 2:
        return []
    told = (f"{', '.join(labels)}: {_worlds(worlds)}" for worlds, labels in groups.items())
    return [
        f"Not all rows are over the same worlds ({'; '.join(told)}): their means do not compare, "
        "and the best is told among rows over the same worlds only."
    ]


def _unlike_pairs(rows: Mapping[str, list[Draw]]) -> list[str]:
    """Say over what the rows are compared that have other runs than the row they differ from."""
    told: list[str] = []
    for place, against in enumerate(AGAINST):
        theirs = rows.get(against)
        for label, own in rows.items() if theirs else ():
            if label in AGAINST[: place + 1] or not own:
                continue
            shared = shared_draws(own, theirs or (), with_base=against == BASE)
            whole = own if against == BASE else sorted({*own, *(theirs or ())})
            if not shared:
                told.append(
                    f"{label} and {against} have no world and seed in common, so they are not "
                    "compared."
                )
            elif shared != whole:
                told.append(f"{label} is compared with {against} over {_told(shared)} alone.")
    return told


def _worlds(worlds: Iterable[int]) -> str:
    numbers = [str(world) for world in worlds]
    return f"world{'s' * (len(numbers) > 1)} {', '.join(numbers)}"


def _told(draws: Iterable[Draw]) -> str:
    """Return such as `seeds 0, 1`, or `world 0 seeds 0, 1; world 2 seed 0`."""
    seeds: dict[int, list[str]] = {}
    for world, seed in draws:
        seeds.setdefault(world, []).append(str(seed))
    parts = (
        (f"world {world} " if list(seeds) != [0] else "")
        + f"seed{'s' * (len(of) > 1)} {', '.join(of)}"
        for world, of in seeds.items()
    )
    return "; ".join(parts)
