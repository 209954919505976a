"""Show what the training processes write down: stages, steps, warnings."""

from contextlib import ExitStack
from typing import Any, Self

from harness.console import Tracker, messages, track
from harness.files.jsonlines import JsonLines
from harness.runs.rundir import RunDir
from harness.training.process import PROGRESS_FILE


class Followed:
    """The progress of one run: a bar for the stage that it is in.

    The last of a stage's rows may be read late or be missing; the steps are the last stage.
    """

    def __init__(self, run: RunDir, label: str, steps: int) -> None:
        self._stages = JsonLines(run.logs / PROGRESS_FILE).follow()
        self._rows = JsonLines(run.metrics).follow()
        self._steps = (f"train {label}", steps)
        self._stage = ""
        self._done = 0
        self._warned: set[str] = set()
        self._bar: Tracker | None = None
        self._open = ExitStack()

    def look(self) -> None:
        """Show what is new."""
        for row in next(self._stages):
            if "warning" in row:
                self._warn(row["warning"])
            else:
                self._show(row["stage"], row["done"], row["total"])
        name, total = self._steps
        for row in next(self._rows):
            self._show(name, row["step"], total, _note(row))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def _show(self, stage: str, done: int, total: int, note: str = "") -> None:
        if stage != self._stage or self._bar is None:
            self._open.close()
            self._bar = self._open.enter_context(track(stage, total))
            self._stage, self._done = stage, 0
        self._bar.advance(max(0, done - self._done), note)
        self._done = max(self._done, done)

    def _warn(self, text: str) -> None:
        """Say a thing once, however often it is written down."""
        if text not in self._warned:
            self._warned.add(text)
            messages.print(f"warning: {text}", markup=False)


def _note(row: dict[str, Any]) -> str:
    shown = {"loss": ".4f", "reward_gap": "+.3f", "accuracy": ".0%", "pairs_per_second": ".1f"}
    names = {"reward_gap": "margin", "pairs_per_second": "pairs/s"}
    return " ".join(
        f"{names.get(name, name)} {row[name]:{form}}" for name, form in shown.items() if name in row
    )
