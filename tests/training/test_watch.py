"""What ends a run, what is told, and what is measured."""

import json
import math

import pytest
import torch

from harness.runs.rundir import RunDir
from harness.training.process import Progress
from harness.training.step.protocols import StepReport
from harness.training.step.schedule import DataOrder
from harness.training.watch import DIVERGENCE_FILE, MEASURED, Watch


class Alone:
    rank, count, device = 0, 1, torch.device("cpu")


class Row:
    class packed:  # noqa: N801  # stands for a field
        positions = 300


def watch(folder, limit=None, patience=3, flops=None):
    order = DataOrder(pairs=8, batch_pairs=4, epochs=5, shuffle=False, seed=0)
    progress = Progress(folder / "progress.jsonl", 0)
    return Watch(order, "pair-{}".format, limit, patience, flops, RunDir(folder), progress, Alone())


def report(norm):
    return StepReport(1e-3, norm, applied=math.isfinite(norm))


@pytest.mark.parametrize(
    ("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (0.5, math.nan), (0.5, math.inf)]
)
def test_what_is_not_finite_ends_the_run_with_its_pairs(tmp_path, loss, norm):
    """Step 2 of two batches of four has the rows 4 to 7."""
    fault = watch(tmp_path).fault({"step": 2, "loss": loss}, report(norm))
    assert f"Step 2: loss {loss}, gradient norm {norm}. The run diverged" in fault
    assert "pair-4, pair-5, pair-6, pair-7" in fault
    said = json.loads((tmp_path / DIVERGENCE_FILE).read_text())
    assert (said["step"], said["rows"]) == (2, [4, 5, 6, 7])


def test_a_large_norm_ends_the_run_only_after_enough_steps_in_a_row(tmp_path):
    """Two above the limit, one below, then three: the sixth ends it."""
    one = watch(tmp_path, limit=10.0)
    norms = [11, 12, 9, 11, 12, 13]
    faults = [one.fault({"step": i + 1, "loss": 0.5}, report(n)) for i, n in enumerate(norms)]
    assert faults[:5] == [None] * 5
    assert "gradient norm 13, above 10.0 for 3 steps" in faults[5]


def test_speed_counts_the_time_that_was_waited(tmp_path):
    """Four pairs in 3 + 1 seconds: one a second; 600 positions in four seconds: 150."""
    found = watch(tmp_path, flops=(100.0, 30.0)).speed([Row, Row], 3.0, 1.0)
    assert found["pairs_per_second"] == 1
    assert found["tokens_per_second"] == 150
    assert found["data_wait_share"] == 0.25
    assert found["utilisation"] == pytest.approx(30 * 4 / 4 / 100)
    assert found["memory_peak_bytes"] > 10_000_000
    assert found.keys() == MEASURED


def test_starving_steps_are_told_once_after_fifty(tmp_path):
    one = watch(tmp_path)
    for _ in range(49):
        one.speed([Row], 1.0, 0.5)
    assert not (tmp_path / "progress.jsonl").exists()
    for _ in range(60):
        one.speed([Row], 1.0, 0.5)
    (said,) = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert "wait for their data 33% of the time" in json.loads(said)["warning"]


def test_fed_steps_are_left_alone(tmp_path):
    one = watch(tmp_path)
    for _ in range(100):
        one.speed([Row], 1.0, 0.1)
    assert not (tmp_path / "progress.jsonl").exists()
