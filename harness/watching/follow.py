"""Draw runs again and again, until they end or somebody presses Ctrl-C."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import RenderableType
from rich.live import Live

from harness.console import results
from harness.runs.rundir import RunDir
from harness.watching.frame import many_runs, one_run
from harness.watching.read import look_at
from harness.watching.several import all_in, is_output

_EVERY_S = 1.0


def watch(folders: Sequence[Path], out: Path, once: bool) -> None:
    """Draw the runs in `folders`, or all of `out`, until none is worked on any more.

    Args:
        folders: Of runs, or output folders.
        out: What is watched where no folder is named.
        once: Whether to draw them as they stand now, and end.
    """
    draw = _drawing(folders or [out])
    if once or not results.is_terminal:
        frame, _ = draw()
        results.print(frame)
        return
    with suppress(KeyboardInterrupt), Live(console=results, auto_refresh=False) as live:
        going = True
        while going:
            frame, going = draw()
            live.update(frame, refresh=True)
            if going:
                time.sleep(_EVERY_S)


def _drawing(folders: Sequence[Path]) -> Callable[[], tuple[RenderableType, bool]]:
    """Return what draws a frame, and says whether anything goes on."""

    def one() -> tuple[RenderableType, bool]:
        look = look_at(RunDir(folders[0]))
        return one_run(look, results.width), look.goes_on

    def all_of_it() -> tuple[RenderableType, bool]:
        found = all_in(folders[0])
        return many_runs(found.looks, found.others, results.width), found.goes_on

    def some() -> tuple[RenderableType, bool]:
        looks = [look_at(RunDir(folder)) for folder in folders]
        return many_runs(looks, (), results.width), any(look.goes_on for look in looks)

    if len(folders) > 1:
        return some
    return all_of_it if is_output(folders[0]) else one
