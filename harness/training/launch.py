"""Start the training processes of a run, follow them, and say what went wrong."""

import json
import time
from pathlib import Path

from harness.console import messages, track
from harness.data.columns.columns import ensure_columns
from harness.data.columns.tokens.columns import ensure_token_columns
from harness.data.pairs.opening import open_preferences, selected_pairs
from harness.data.pairs.preferences import Preferences
from harness.data.pairs.report import REPORT
from harness.errors import Interrupted, TrainingError
from harness.files.cache import cache_dir
from harness.launchers.group import Group
from harness.launchers.launcher import Launcher
from harness.launchers.local import LocalLauncher
from harness.llm.messages import ChatSettings
from harness.registry import load_method
from harness.runs.rundir import RunDir
from harness.settings.spec import RunSpec
from harness.training.failure import CONTINUES, Log, failure
from harness.training.follow import Followed
from harness.training.metrics import read_rows
from harness.training.process import CUT_FILE, ERROR_FILE, LOG_FILE, PROGRESS_FILE, STOP_FILE
from harness.training.reading import token_reader
from harness.training.step.schedule import DataOrder

LOCAL = LocalLauncher()
ENVIRONMENT = ChatSettings()

_POLL_S = 0.2
_GRACE_S = 600.0
"""As long as a checkpoint may take; who kills sooner finds the one before."""


def train(
    run: RunDir,
    spec: RunSpec,
    launcher: Launcher = LOCAL,
    chat: ChatSettings = ENVIRONMENT,
) -> None:
    """Train the model of a run, or go on where it was interrupted; do nothing if it is there.

    Args:
        run: Its folder.
        spec: Its specification, every place located.
        launcher: What starts the processes.
        chat: How a language model is reached that splits responses for a column.

    Raises:
        DataError: The preference data cannot be trained on, or the record of steps is damaged.
        TrainingError: A process died or the loss diverged.
    """
    if run.model.exists():
        return
    read_rows(run.metrics)  # what is damaged is told before anything is started
    preferences = prepare(run, spec, chat)
    order = DataOrder(
        len(preferences), spec.training.batch_pairs, spec.training.epochs, False, spec.seed
    )
    processes = spec.training.devices
    launcher.check(processes)
    log = _cleared(run.logs)
    with log.path.open("ab") as output:
        group = Group(launcher.parts(run.path, processes), output)
        places = ", ".join(group.names)
        messages.print(f"{spec.label}: training processes on {places}: {processes}", markup=False)
        code = _follow(group, run, spec, order.total_steps)
    _tell_cut_responses(run, spec)
    if group.failed is not None:
        raise failure(run, log, launcher, group.failed)
    if code == 0 and not run.model.exists():
        raise Interrupted(f"{spec.label} was asked to stop. The same command continues.")


def _tell_cut_responses(run: RunDir, spec: RunSpec) -> None:
    file = run.path / CUT_FILE
    if file.exists():
        count = len(json.loads(file.read_text("utf-8")))
        messages.print(
            f"{count} pairs have responses that were cut at data.max_length="
            f"{spec.data.max_length}; their rows stand in {file}",
            markup=False,
        )


def prepare(run: RunDir, spec: RunSpec, chat: ChatSettings = ENVIRONMENT) -> Preferences:
    """Check every pair before the first step, and compute the columns that the method needs."""
    method = load_method(spec.method)
    needed, per_token = method.columns, method.token_columns
    selected = selected_pairs(spec.data)
    for said in selected.said():
        messages.print(said, markup=False)
    if spec.data.where:
        messages.print(selected.selection.said, markup=False)
    reader = token_reader(spec)
    # Every pair twice: once what every model needs of it, once what this one's tokenizer does.
    with track("check pairs", 2 * len(selected)) as tracker:
        preferences = open_preferences(spec.data, tracker.advance, needed, run.path, reader)
    if left_out := len(selected) - len(preferences):
        messages.print(f"{left_out} pairs are left out: {run.path / REPORT}", markup=False)
    if needed:
        with track(f"compute {', '.join(sorted(needed))}", len(preferences)) as tracker:
            ensure_columns(
                preferences, needed, spec.data.hardness, cache_dir(), tracker.advance, chat
            )
    if per_token:
        with track(f"find {', '.join(sorted(per_token))}", len(preferences)) as tracker:
            ensure_token_columns(
                preferences, per_token, spec.data.hardness, cache_dir(), tracker.advance, chat
            )
    return preferences


def _cleared(logs: Path) -> Log:
    """Return the log to append to; what the processes told the last time is removed.

    Raises:
        TrainingError: Nothing can be written there.
    """
    file = logs / LOG_FILE
    try:
        logs.mkdir(parents=True, exist_ok=True)
        for left in (ERROR_FILE, STOP_FILE, PROGRESS_FILE):
            (logs / left).unlink(missing_ok=True)
        with file.open("ab") as stream:
            return Log(file, stream.tell())
    except OSError as error:
        raise TrainingError(
            f"{logs} cannot be written to: {error.strerror}. Nothing was started and nothing is "
            f"lost. {CONTINUES}"
        ) from error


def _follow(group: Group, run: RunDir, spec: RunSpec, steps: int) -> int:
    """Show what the processes do until they end; return the exit code."""
    try:
        with Followed(run, spec.label, steps) as followed:
            while (code := group.poll()) is None:
                followed.look()
                time.sleep(_POLL_S)
            followed.look()
    except BaseException:
        _stop(group, run.logs / STOP_FILE)
        raise
    return code


def _stop(group: Group, request: Path) -> None:
    """Ask all ranks to save and end, and wait; the checkpoint before stays valid in any case.

    By a file: a launcher of several processes would wait half a minute only. A second interruption
    kills at once.
    """
    if group.poll() is not None:
        return
    messages.print("Stopping after this step; the state is saved ...", markup=False)
    try:
        request.touch()
        group.wait(_GRACE_S)
    finally:
        group.kill()
