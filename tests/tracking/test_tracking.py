"""Trackers get every step once, whatever happened in between."""

import os
import subprocess
import sys

import pytest

from harness.commands.matrix import PASSED_ON
from harness.commands.options.runs import REQUEST, trackers
from harness.errors import ConfigError
from harness.files.jsonlines import JsonLines
from harness.runs.rundir import RunDir, run_name
from harness.settings.request import Request
from harness.settings.resolve import specs_of
from harness.tracking import feed
from harness.tracking import trackers as known
from harness.tracking.feed import tracked


def rows(first, last):
    return [
        {"step": step, "loss": 1 / step, "note": "x", "done": False}
        for step in range(first, last + 1)
    ]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(feed, "_EVERY_S", 0.01)


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path / "dpo-tiny-seed0-0123456789ab")


def interrupted_and_resumed(run, name):
    """Record 13 steps; go on from the checkpoint at 10, in a new file, to 20."""
    with tracked(run, [name]):
        JsonLines(run.metrics).append(*rows(1, 13))
    with tracked(run, [name]):
        JsonLines(run.metrics).rewrite(rows(1, 10))
        JsonLines(run.metrics).append(*rows(11, 20))


def test_tensorboard_holds_every_step_once_after_a_resume(run):
    pytest.importorskip("tensorboard", reason="pip install 'alignment-harness[track]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    interrupted_and_resumed(run, "tensorboard")
    events = EventAccumulator(str(run.path / "tracking" / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("loss")]
    assert found == [(step, pytest.approx(1 / step)) for step in range(1, 21)]


def test_wandb_offline_holds_every_step_once_after_a_resume(run, monkeypatch):
    pytest.importorskip("wandb", reason="pip install 'alignment-harness[track]'")
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    interrupted_and_resumed(run, "wandb")
    (file,) = (run.path / "tracking" / "wandb").glob("**/offline-run-*/*.wandb")
    store, found = DataStore(), []
    store.open_for_scan(str(file))
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            found.append(record.history.step.num)
    assert found == list(range(1, 21))


def test_mlflow_in_files_holds_every_step_once_after_a_resume(run, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="pip install 'alignment-harness[track]'")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file:{tmp_path}/mlruns")
    interrupted_and_resumed(run, "mlflow")
    client = mlflow.tracking.MlflowClient()
    experiment = client.get_experiment_by_name(known.PROJECT)
    (one,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(one.info.run_id, "loss")
    assert sorted(each.step for each in history) == list(range(1, 21))


class Kept:
    def __init__(self, run):
        self.sent, self.steps = 0, []

    def log(self, step, values):
        assert set(values) == {"loss", "done"}
        self.steps.append(step)

    def close(self):
        self.closed = True


def test_steps_that_are_made_again_are_not_sent_again(run, monkeypatch):
    made = []
    monkeypatch.setitem(
        known.TRACKERS, "kept", ("json", lambda run: made.append(Kept(run)) or made[0])
    )
    with tracked(run, ["kept"]):
        JsonLines(run.metrics).append(*rows(1, 13))
        JsonLines(run.metrics).rewrite(rows(1, 10))
        JsonLines(run.metrics).append(*rows(11, 20))
    assert made[0].steps == list(range(1, 21))
    assert made[0].closed


def test_a_tracker_that_fails_stops_no_training(run, monkeypatch, capsys):
    def failing(run):
        raise RuntimeError("no network")

    monkeypatch.setitem(known.TRACKERS, "failing", ("json", failing))
    with tracked(run, ["failing"]):
        JsonLines(run.metrics).append(*rows(1, 2))
    assert "--track failing has failed" in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(known.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"alignment-harness\[track\]"):
        known.require_installed(["wandb"])
    with pytest.raises(ConfigError, match="tensorboard, wandb, mlflow"):
        known.require_installed(["weights"])


def test_it_is_no_part_of_what_a_run_is():
    (plain,) = specs_of(Request(method="dpo"))
    (sent,) = specs_of(Request(method="dpo", track=("tensorboard", "wandb")))
    assert run_name(plain) == run_name(sent)
    assert not Request(method="dpo").track


def test_every_cell_of_a_matrix_is_told_all_trackers():
    words = PASSED_ON.words(Request(method="dpo", track=("tensorboard", "wandb")))
    assert words == ("--track=tensorboard,wandb",)
    assert REQUEST.flags["track"].parse("tensorboard,wandb") == trackers("tensorboard, wandb")


def test_no_tracker_is_imported_unless_it_is_asked_for():
    code = "import sys, harness.reproduce.reproduce; print({'wandb','mlflow'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.strip() == "set()"
