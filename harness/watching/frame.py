"""Draw how runs stand, for a terminal of any width."""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.console import visible
from harness.files.jsonlines import Row
from harness.watching.read import Look, number

BLOCKS = "▁▂▃▄▅▆▇█"
_CURVES = (
    *("loss", "reward_gap", "accuracy", "logps/chosen", "logps/rejected"),
    *("beta", "alpha_d", "alpha_m", "kept", "gradient_norm"),
)
"""Drawn in this order, where they are measured."""
_STYLES = {"running": "bold cyan", "failed": "bold red", "stopped": "yellow", "done": "green"}
_NAME, _ENDS = 15, 22
"""Columns of a curve's name and of its first and last value."""


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a curve in one line of at most `width` signs; what is not finite leaves a gap."""
    size = max(1, math.ceil(len(values) / width))
    parts = [values[place : place + size] for place in range(0, len(values), size)]
    means = [fmean(found) if (found := _finite(part)) else None for part in parts]
    there = [one for one in means if one is not None]
    if not there:
        return ""
    low, span = min(there), (max(there) - min(there)) or 1.0
    top = len(BLOCKS) - 1
    return "".join(" " if one is None else BLOCKS[round((one - low) / span * top)] for one in means)


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def one_run(look: Look, width: int) -> Group:
    """Return everything about one run."""
    parts = [_head(look)]
    if look.stage and look.goes_on:
        parts.append(Text(visible(look.stage)))
    if look.total is not None:
        parts.append(Text(_progress(look, width)))
    parts += _curves(look.rows, width)
    parts += [Text(f"warning: {visible(one)}", "yellow") for one in look.warnings]
    return Group(*parts)


def _head(look: Look) -> Text:
    return Text.assemble(visible(look.name), "  ", (look.state, _STYLES.get(look.state, "")))


def _progress(look: Look, width: int) -> str:
    total = look.total or 1
    told = f" {look.done:,}/{total:,} steps"
    speed = number(look.rows[-1], "pairs_per_second")
    told += f"  {speed:.1f} pairs/s" if speed is not None else ""
    if look.goes_on and look.seconds_left is not None:
        told += f"  {clock(look.seconds_left)} left"
    room = max(4, min(40, width - len(told)))
    filled = min(room, room * look.done // total)
    return "█" * filled + "░" * (room - filled) + told


def _curves(rows: Sequence[Row], width: int) -> Iterator[Text]:
    room = max(4, width - _NAME - _ENDS - 2)
    for key in _CURVES:
        values = [value for row in rows if (value := number(row, key)) is not None]
        if values:
            name = key.replace("_", " ")
            line = sparkline(values, room)
            ends = f"{values[0]:.4g} → {values[-1]:.4g}"
            yield Text(f"{name:<{_NAME}} {line:<{room}} {ends}", no_wrap=True, overflow="ellipsis")


def clock(seconds: float) -> str:
    """Return a duration as people read it."""
    minutes = round(seconds) // 60
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes else f"{round(seconds)} s"


def many_runs(looks: Sequence[Look], others: Sequence[tuple[str, str]], width: int) -> Group:
    """Return a line for each run, and for each cell or job that is no run yet.

    Args:
        looks: The runs.
        others: Name and state of what a matrix or a scheduler has.
        width: Of the terminal.
    """
    table = Table(expand=True, box=None, pad_edge=False)
    table.add_column("run", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("state", no_wrap=True)
    table.add_column("steps", no_wrap=True, justify="right")
    table.add_column("left", no_wrap=True, justify="right")
    table.add_column("loss", no_wrap=True, ratio=1)
    for look in looks:
        loss = [value for row in look.rows if (value := number(row, "loss")) is not None]
        steps = f"{look.done:,}/{look.total:,}" if look.total else visible(look.stage)
        left = look.seconds_left if look.goes_on else None
        table.add_row(
            Text(visible(look.name)),
            Text(look.state, _STYLES.get(look.state, "")),
            steps,
            "" if left is None else clock(left),
            sparkline(loss, max(4, width // 8)),
        )
    for name, state in others:
        table.add_row(Text(visible(name)), Text(visible(state)), "", "", "")
    warned = [
        Text(f"{visible(look.name)}: {visible(one)}", "yellow")
        for look in looks
        for one in look.warnings[-1:]
        if cell_len(one)
    ]
    return Group(table, *warned)
