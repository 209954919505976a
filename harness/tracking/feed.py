"""Feed trackers from the record of a run while another process writes it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.console import messages
from harness.errors import in_words
from harness.files.jsonlines import JsonLines, Row
from harness.runs.rundir import RunDir
from harness.tracking.trackers import TRACKERS, Tracker

_EVERY_S = 1.0


@contextmanager
def tracked(run: RunDir, names: Sequence[str]) -> Iterator[None]:
    """Feed the trackers of a run as long as the block goes on, and with the last steps at its end.

    A tracker that fails is named and left behind: the training does not depend on it, and the next
    call of the same command sends what it lacks.
    """
    ended = threading.Event()
    feeds = [threading.Thread(target=_feed, args=(run, name, ended)) for name in names]
    for feed in feeds:
        feed.start()
    try:
        yield
    finally:
        ended.set()
        for feed in feeds:
            feed.join()


def _feed(run: RunDir, name: str, ended: threading.Event) -> None:
    try:
        tracker = TRACKERS[name][1](run)
        try:
            rows = JsonLines(run.metrics).follow()
            while not ended.wait(_EVERY_S):
                send(tracker, next(rows))
            send(tracker, next(rows))
        finally:
            tracker.close()
    except Exception as error:
        messages.print(
            f"warning: --track {name} has failed ({in_words(error)}); the run goes on. The same "
            "command sends what is missing.",
            markup=False,
        )


def send(tracker: Tracker, rows: Sequence[Row]) -> None:
    """Give a tracker the steps that it does not have yet."""
    for row in rows:
        if row["step"] > tracker.sent:
            values = {
                key: float(value)
                for key, value in row.items()
                if key != "step" and isinstance(value, int | float)
            }
            tracker.log(row["step"], values)
            tracker.sent = row["step"]
