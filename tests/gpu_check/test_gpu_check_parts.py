"""What the check compares, and the arithmetic of its rows."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import AttentionInterface

from harness.costs.devices import Device
from harness.costs.flops import pair_flops
from harness.data.rows.packing import Segment
from harness.errors import TrainingError
from harness.gpu_check import equality
from harness.gpu_check.engines import TorchEngine
from harness.gpu_check.made import RESPONSES, TINY, collator, load_of, made_pairs
from harness.gpu_check.rows import Measured
from harness.training.attention.segments import segment_attention

CPU = torch.device("cpu")


def test_lengths_are_those_of_the_table():
    """Prompt 35 + 16 image tokens + 25; responses 50 and 125, 125 and 250, 250 and 50."""
    pairs = made_pairs(TINY, 3)
    assert {len(pair.prompt) for pair in pairs} == {35 + 16 + 25}
    assert [(len(pair.chosen), len(pair.rejected)) for pair in pairs] == [
        (RESPONSES[i], RESPONSES[(i + 1) % 3]) for i in range(3)
    ]


@pytest.mark.parametrize("pairs", [2, 3, 6])
def test_the_planned_load_has_the_positions_of_the_batch(pairs):
    """Up to a half per response by rounding the mean length."""
    positions = collator(TINY, pairs)(range(pairs)).packed.positions
    assert abs(load_of(TINY, pairs).positions - positions) <= pairs


def test_an_update_is_that_of_adamw_on_float32_copies():
    """AdamW's first step moves every weight by the learning rate, against its gradient's sign:
    from 1 by 0.5 * 1e-2, less weight decay 1e-2 of 0.5: 1 * (1 - 0.005) - 0.5 = 0.495."""
    module = nn.Linear(1, 1, bias=False)
    nn.init.ones_(module.weight)
    engine = TorchEngine(module, learning_rate=0.5, optimizer=True)
    engine.backward(engine(torch.tensor([[3.0]])).sum(), last=True)
    report = engine.update(0.5)
    assert report.gradient_norm == 3.0
    assert module.weight.item() == pytest.approx(0.495)
    assert module.weight.grad is None


def test_without_an_optimizer_nothing_moves():
    module = nn.Linear(1, 1, bias=False)
    before = module.weight.item()
    engine = TorchEngine(module, learning_rate=0.5, optimizer=False)
    engine.backward(engine(torch.tensor([[3.0]])).sum(), last=True)
    engine.update(0.5)
    assert module.weight.item() == before


def test_speed_and_utilisation_by_hand():
    """2 pairs in 0.5 s on average are 4 a second; peak 3 of planned 4 bytes is 0.75."""
    load = load_of(TINY, 2)
    work = 2 * pair_flops(TINY, load)
    step = Measured("dpo", "none", 2, 100, (0.4, 0.6), peak_bytes=3, planned_bytes=4)
    row = step.row(TINY, load, Device("made", 1, bf16_flops=4 * work))
    assert (row["seconds"], row["seconds_least"], row["seconds_most"]) == (0.5, 0.4, 0.6)
    assert (row["pairs_per_second"], row["tokens_per_second"]) == (4, 200)
    assert row["utilisation"] == pytest.approx(0.5)
    assert row["peak_over_plan"] == 0.75
    assert step.row(TINY, load, Device("CPU", 1, None))["utilisation"] is None


def one_ancestor_less(module, query, key, value, mask, scaling, packed_row, **rest):
    """Attention in which the last response does not see the system text."""
    *others, last = packed_row.segments
    cut = Segment(last.length, last.visible[1:])
    row = replace(packed_row, segments=(*others, cut))
    return segment_attention(module, query, key, value, mask, scaling, packed_row=row)


def test_a_kernel_that_hides_an_ancestor_is_found(monkeypatch):
    """In every comparison; the check ends where the run would use it, and only there."""
    right = equality.FUNCTIONS["flex"]
    monkeypatch.setitem(equality.FUNCTIONS, "flex", one_ancestor_less)
    AttentionInterface.register("packed_flex", one_ancestor_less)
    try:
        rows = equality.check(TINY, CPU)
    finally:
        AttentionInterface.register("packed_flex", right)
    exact = {
        (row["what"], row["dtype"]): row["exact"] for row in rows if row["attention"] == "flex"
    }
    assert len(exact) == 5
    assert not any(exact.values())
    assert all(row["exact"] for row in rows if row["attention"] == "segments")
    equality.refuse_wrong(rows, "segments")
    with pytest.raises(TrainingError, match="gradient of one layer, flex, bfloat16"):
        equality.refuse_wrong(rows, "flex")
