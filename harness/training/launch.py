"""Start the training processes of a run, follow them, and say what went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness import errors
from harness.console import Tracker, messages, track
from harness.data.checks import REPORT
from harness.data.columns import ensure_columns
from harness.data.preferences import Preferences, open_preferences, selected_pairs
from harness.errors import HarnessError, Interrupted, TrainingError
from harness.registry import load_method
from harness.rundir import RunDir, cache_dir
from harness.spec import RunSpec
from harness.training.metrics import new_rows
from harness.training.process import CUT_FILE, ERROR_FILE, LOG_FILE, STOP_FILE, die_with_parent
from harness.training.schedule import DataOrder

_POLL_S = 0.2
_GRACE_S = 600.0
"""As long as a checkpoint may take; who kills sooner finds the one before."""
_TAIL_LINES = 30


def train(run: RunDir, spec: RunSpec) -> None:
    """Train the model of a run, or go on where it was interrupted; do nothing if it is there.

    Raises:
        DataError: The preference data cannot be trained on.
        TrainingError: A process died or the loss diverged.
    """
    if run.model.exists():
        return
    preferences = prepare(run, spec)
    order = DataOrder(
        len(preferences), spec.training.batch_pairs, spec.training.epochs, False, spec.seed
    )
    run.logs.mkdir(parents=True, exist_ok=True)
    for left in (ERROR_FILE, STOP_FILE):
        (run.logs / left).unlink(missing_ok=True)
    log = run.logs / LOG_FILE
    with log.open("ab") as output, track(f"train {spec.label}", order.total_steps) as tracker:
        process = subprocess.Popen(
            _command(run, spec),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(spec.training.devices),
            # Ctrl-C goes to this process alone, which passes it on once; if this one dies in any
            # other way, the kernel tells the launcher, and that one the workers.
            start_new_session=True,
            preexec_fn=_end_with_this_process,
        )
        code = _follow(process, run, tracker)
    _tell_cut_responses(run, spec)
    if code == 0 and not run.model.exists():
        raise Interrupted(f"{spec.label} was asked to stop. The same command continues.")
    if code != 0:
        raise _failure(run, log, code)


def _tell_cut_responses(run: RunDir, spec: RunSpec) -> None:
    file = run.path / CUT_FILE
    if file.exists():
        count = len(json.loads(file.read_text("utf-8")))
        messages.print(
            f"{count} pairs have responses that were cut at data.max_length="
            f"{spec.data.max_length}; their rows stand in {file}",
            markup=False,
        )


def prepare(run: RunDir, spec: RunSpec) -> Preferences:
    """Check every pair before the first step, and compute the columns that the method needs."""
    needed = load_method(spec.method).columns
    selected = selected_pairs(spec.data)
    if spec.data.where:
        messages.print(selected.selection.said, markup=False)
    with track("check pairs", len(selected)) as tracker:
        preferences = open_preferences(spec.data, tracker.advance, needed, report=run.path)
    if left_out := len(selected) - len(preferences):
        messages.print(f"{left_out} pairs are left out: {run.path / REPORT}", markup=False)
    if needed:
        with track(f"compute {', '.join(sorted(needed))}", len(preferences)) as tracker:
            ensure_columns(preferences, needed, spec.data.hardness, cache_dir(), tracker.advance)
    return preferences


def _command(run: RunDir, spec: RunSpec) -> list[str]:
    worker = ["-m", "harness.training.worker", str(run.path)]
    if spec.training.devices == 1:
        return [sys.executable, *worker]
    launcher = ["-m", "torch.distributed.run", "--standalone"]
    return [sys.executable, *launcher, "--nproc-per-node", str(spec.training.devices), *worker]


def _environment(devices: int) -> dict[str, str]:
    # Threads of several processes that wait for the same cores make each other ten times slower.
    threads = max(1, len(os.sched_getaffinity(0)) // devices)
    # One process needs no launcher, which would import torch once more; port 0 is any free one.
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    alone |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    return (os.environ | alone if devices == 1 else os.environ.copy()) | {
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _follow(process: subprocess.Popen[bytes], run: RunDir, tracker: Tracker) -> int:
    """Show the steps as they are recorded until the processes end; return the exit code."""
    rows = new_rows(run.metrics)
    shown = 0
    try:
        while process.poll() is None:
            time.sleep(_POLL_S)
            for row in next(rows):
                tracker.advance(max(0, row["step"] - shown), _note(row))
                shown = max(shown, row["step"])
    except BaseException:
        _stop(process, run.logs / STOP_FILE)
        raise
    return process.returncode


def _note(row: dict[str, Any]) -> str:
    shown = {"loss": ".4f", "reward_gap": "+.3f", "accuracy": ".0%", "pairs_per_second": ".1f"}
    names = {"reward_gap": "margin", "pairs_per_second": "pairs/s"}
    return " ".join(
        f"{names.get(name, name)} {row[name]:{form}}" for name, form in shown.items() if name in row
    )


def _stop(process: subprocess.Popen[bytes], request: Path) -> None:
    """Ask all ranks to save and end, and wait; the checkpoint before stays valid in any case.

    By a file: a launcher of several processes would wait half a minute only. A second interruption
    kills at once.
    """
    if process.poll() is not None:
        return
    messages.print("Stopping after this step; the state is saved ...", markup=False)
    request.touch()
    try:
        process.wait(_GRACE_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _failure(run: RunDir, log: Path, code: int) -> HarnessError:
    """Return what a worker reported, else the end of the log."""
    report = run.logs / ERROR_FILE
    if report.exists():
        told = json.loads(report.read_text("utf-8"))
        kind: type[HarnessError] = getattr(errors, told["kind"], TrainingError)
        return kind(told["message"])
    tail = log.read_text("utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
    return TrainingError(
        f"Training ended with exit code {code}. The end of {log}:\n" + "\n".join(tail) + "\n"
        "The same command continues from the last checkpoint."
    )


def _end_with_this_process() -> None:
    die_with_parent(signal.SIGTERM)
