"""Run the cells of a matrix, each as its own process, and never one of them twice."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from harness.console import messages
from harness.errors import HarnessError, without_secrets
from harness.evaluation.held import is_finished
from harness.files.locks import FileLock, in_use
from harness.launchers.interpreter import safe_paths
from harness.launchers.lifetime import end_with_parent
from harness.launchers.queue import job_state, submitted_job
from harness.matrix.cells import Cell
from harness.matrix.stage import stage_of
from harness.matrix.state import Standing, State, read_note, reason, write_note

POLL_S = 0.5
_GRACE_S = 900.0
"""A cell may take this long to save; it waits for its own workers for less."""


@dataclass(frozen=True)
class _Process:
    """A cell that this command runs now."""

    standing: Standing
    popen: subprocess.Popen[bytes]
    claim: FileLock
    log_start: int
    """Where in the log the words of this process begin."""
    seat: int
    began: float


class Work:
    """The cells that are left to do.

    A cell is taken up under its claim, a lock that lasts as long as the cell's process, so two
    commands never start the same one. A cell that another command or a `reproduce` has is waited
    for; when that one ends without finishing it, it is taken up here, unless it failed there.

    Args:
        cells: All cells, in the order in which they are started.
        command: Gives the command line that runs one cell.
        seats: Environment of the processes that run at the same time, one per place.
        submits: The processes hand the cells to a scheduler, so nobody waits for the end.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        command: Callable[[Cell], list[str]],
        seats: Sequence[Mapping[str, str]] = ({},),
        submits: bool = False,
    ) -> None:
        self.standings = [Standing(cell) for cell in cells]
        self._command, self._seats, self._submits = command, seats, submits
        self._before = {cell.label: read_note(cell) for cell in cells}
        self._running: list[_Process] = []
        self._look()

    def run(self, show: Callable[[Sequence[Standing]], None]) -> None:
        """Work until nothing is left, calling `show` again and again.

        When this is interrupted, the running cells save and end first.
        """
        try:
            while self.step():
                show(self.standings)
                time.sleep(POLL_S)
        except BaseException:
            self._stop()
            raise
        finally:
            show(self.standings)

    def survey(self) -> None:
        """Notice which cells others have, without taking any up."""
        for standing in self.standings:
            if standing.state is State.QUEUED:
                _notice_others(standing, (standing.cell.claim, standing.cell.run.folder.lock))

    def step(self) -> bool:
        """See who ended, start whom there is room for; return whether anything is left."""
        for process in tuple(self._running):
            self._follow(process)
        self._look()
        for standing in self.standings:
            if len(self._running) >= len(self._seats):
                break
            if standing.state in (State.QUEUED, State.ELSEWHERE):
                self._take_up(standing)
        waited = {State.QUEUED, State.RUNNING} | (set() if self._submits else {State.ELSEWHERE})
        return any(standing.state in waited for standing in self.standings)

    def _look(self) -> None:
        """Notice what others have finished, and how far they are."""
        for standing in self.standings:
            if standing.state in (State.QUEUED, State.ELSEWHERE):
                _notice_end(standing)
            if standing.state in (State.RUNNING, State.ELSEWHERE):
                _follow_files(standing)

    def _take_up(self, standing: Standing) -> None:
        cell = standing.cell
        cell.claim.parent.mkdir(parents=True, exist_ok=True)
        claim = FileLock(cell.claim, timeout=0)
        try:
            claim.acquire()
        except Timeout:
            _is_elsewhere(standing)
            return
        _notice_end(standing)
        note = read_note(cell)
        if standing.state in (State.QUEUED, State.ELSEWHERE):
            if note != self._before[cell.label] and note.get("state") == State.FAILED:
                standing.become(State.FAILED, note["told"])
            elif not _notice_others(standing, (cell.run.folder.lock,)):
                self._start(standing, claim)
                return
        claim.release()

    def _start(self, standing: Standing, claim: FileLock) -> None:
        cell = standing.cell
        command = self._command(cell)
        taken = {process.seat for process in self._running}
        seat = next(seat for seat in range(len(self._seats)) if seat not in taken)
        with cell.log.open("ab") as log:
            log.write(f"$ {shlex.join(map(without_secrets, command))}\n".encode())
            log.flush()
            start = log.tell()
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **safe_paths(), **self._seats[seat]},
                # Ctrl-C goes to this process alone, which passes it on once.
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        standing.become(State.RUNNING)
        self._running.append(_Process(standing, popen, claim, start, seat, time.monotonic()))

    def _follow(self, process: _Process) -> None:
        """Write down how a cell ended, if it did."""
        code = process.popen.poll()
        if code is None:
            return
        self._running.remove(process)
        standing, cell = process.standing, process.standing.cell
        log = _text_from(cell, process.log_start)
        job = submitted_job(log) if self._submits else None
        if code == 0 and is_finished(cell.run):
            standing.become(State.DONE, f"{(time.monotonic() - process.began) / 60:.1f} min")
        elif code == 0 and job:
            standing.submit(job, "in the queue")
        elif in_use(cell.run.folder.lock):
            _is_elsewhere(standing)  # somebody's `reproduce` was quicker
        else:
            standing.become(State.FAILED, reason(log))
        if standing.state is not State.ELSEWHERE:
            write_note(standing)
        process.claim.release()

    def _stop(self) -> None:
        """Ask all processes to save and end, and wait; a second interruption kills them."""
        alive = [process for process in self._running if process.popen.poll() is None]
        if alive:
            messages.print(f"Stopping the {len(alive)} running cells; their states are saved ...")
        for process in alive:
            process.popen.terminate()
        try:
            for process in alive:
                process.popen.wait(_GRACE_S)
            messages.print("Nothing is lost. The same command continues.")
        finally:
            for process in self._running:
                if process.popen.poll() is None:
                    os.killpg(process.popen.pid, signal.SIGKILL)
                    process.popen.wait()
                process.standing.become(State.STOPPED)
                _notice_end(process.standing)
                process.claim.release()


def _notice_end(standing: Standing) -> None:
    try:
        if is_finished(standing.cell.run):
            note = read_note(standing.cell)
            standing.become(State.DONE, note["told"] if note.get("state") == State.DONE else "")
    except HarnessError as error:
        standing.become(State.FAILED, reason(f"error: {error}"))


def _notice_others(standing: Standing, locks: Iterable[Path]) -> bool:
    """Say whether a scheduler has the cell, or another process, which these locks tell."""
    note = read_note(standing.cell)
    try:
        state = job_state(note["job"]) if note.get("job") else None
    except HarnessError as error:
        standing.become(State.FAILED, str(error))
        return True
    if state:
        standing.submit(note["job"], state)
        return True
    if any(map(in_use, locks)):
        _is_elsewhere(standing)
        return True
    return False


def _is_elsewhere(standing: Standing) -> None:
    if standing.state is not State.ELSEWHERE:
        standing.become(State.ELSEWHERE)
    _follow_files(standing)


def _follow_files(standing: Standing) -> None:
    try:
        standing.at(stage_of(standing.cell))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        # Another process replaces these files just now, or they are damaged, which it tells; what
        # was read last stays shown.
        return


def _text_from(cell: Cell, start: int) -> str:
    with cell.log.open("rb") as log:
        log.seek(start)
        return log.read().decode("utf-8", "replace")
