"""Show how the cells stand: a live table on a terminal, a line at every change elsewhere."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.console import draws_over, messages
from harness.matrix.state import Standing, State

Show = Callable[[Sequence[Standing]], None]

_STYLES = {
    State.QUEUED: "dim",
    State.RUNNING: "bold cyan",
    State.ELSEWHERE: "cyan",
    State.SUBMITTED: "cyan",
    State.STOPPED: "yellow",
    State.FAILED: "bold red",
    State.DONE: "green",
}
_FRAME_LINES = 6
"""Of the table, beside its cells: title, heading, borders and the line on what is left out."""
_MATTERS = (State.RUNNING, State.ELSEWHERE, State.STOPPED, State.FAILED, State.SUBMITTED)


@contextmanager
def shown() -> Iterator[Show]:
    """Give a function that shows the cells as they stand now."""
    if not draws_over():
        yield _Lines()
        return
    # Not `messages`: that one never wraps, and would cut the table at the right.
    console = Console(stderr=True, highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda standings: live.update(table(standings, console.height), refresh=True)
        live.transient = True  # it went well, and the same is printed as a result now


def table(standings: Sequence[Standing], height: int) -> Table:
    """Return the cells as a table of at most `height` lines, what matters most first."""
    counts = Counter(standing.state for standing in standings)
    title = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    drawn = Table(title=Text(title), title_justify="left", expand=True)
    drawn.add_column("cell", no_wrap=True)
    drawn.add_column("state", no_wrap=True)
    drawn.add_column("where it stands", no_wrap=True, ratio=1)
    chosen = _chosen(standings, max(1, height - _FRAME_LINES))
    for standing in chosen:
        style = _STYLES[standing.state]
        state = Text(standing.state, style)
        drawn.add_row(standing.cell.label, state, Text(standing.told))
    if left := len(standings) - len(chosen):
        drawn.caption = Text(f"and {left} more, for which the window is too low")
    return drawn


def _chosen(standings: Sequence[Standing], room: int) -> list[Standing]:
    """Return as many as there is room for, in their order."""
    by_weight = sorted(
        standings,
        key=lambda one: _MATTERS.index(one.state) if one.state in _MATTERS else len(_MATTERS),
    )
    kept = {id(standing) for standing in by_weight[:room]}
    return [standing for standing in standings if id(standing) in kept]


class _Lines:
    """Prints a line whenever a cell enters a state or a stage."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[State, str]] = {}

    def __call__(self, standings: Sequence[Standing]) -> None:
        for standing in standings:
            label, now = standing.cell.label, (standing.state, standing.stage)
            if self._seen.get(label, (State.QUEUED, "")) != now:
                self._seen[label] = now
                told = f": {standing.told}" if standing.told else ""
                messages.print(f"{label} {standing.state}{told}", markup=False)
