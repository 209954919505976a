"""The record of a run and what is read back from it."""

from dataclasses import dataclass

import pytest
import torch

from harness.files.jsonlines import JsonLines
from harness.training.metrics import MetricsLog, read_rows, reduced


@dataclass
class Ranks:
    """Processes that all hold the same values."""

    rank: int = 0
    count: int = 1

    def sum(self, values):
        return values * self.count


def test_rows_after_the_checkpoint_are_dropped(tmp_path):
    file = tmp_path / "metrics.jsonl"
    log = MetricsLog(file, 0, Ranks())
    for step in (1, 2, 3):
        log.write({"step": step})
    with file.open("a") as stream:
        stream.write('{"step": 4, "lo')
    log = MetricsLog(file, 2, Ranks())
    log.write({"step": 3, "loss": 0.5})
    assert read_rows(file) == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 0.5}]


def test_only_the_first_rank_writes(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl", 0, Ranks(rank=1, count=2))
    log.write({"step": 1})
    log.sync()
    assert read_rows(tmp_path / "metrics.jsonl") == []


def test_losses_add_up_and_metrics_are_averaged():
    """Two ranks with loss 0.25 each make 0.5; gaps 1 and 3 are 2 on average, a scalar stays."""
    metrics = {"gap": torch.tensor([1.0, 3.0]), "beta": torch.tensor(0.1)}
    loss, means = reduced(torch.tensor(0.25), metrics, Ranks(count=2))
    assert loss == 0.5
    assert means == {"gap": 2.0, "beta": pytest.approx(0.1)}


def test_a_follower_starts_again_after_a_cut_even_if_the_record_has_outgrown_the_old_one(tmp_path):
    """Seen from the old file's end, the longer new one would begin in the middle of a row."""
    file = tmp_path / "metrics.jsonl"
    rows = JsonLines(file).follow()
    file.write_text('{"step": 1}\n{"step": 2}\n')
    assert next(rows) == [{"step": 1}, {"step": 2}]
    log = MetricsLog(file, 1, Ranks())
    log.write({"step": 2, "loss": 0.25})
    log.write({"step": 3, "loss": 0.5})
    assert next(rows) == [{"step": 1}, {"step": 2, "loss": 0.25}, {"step": 3, "loss": 0.5}]
