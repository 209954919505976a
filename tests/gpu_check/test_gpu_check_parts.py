"""What the check compares, and the arithmetic of its rows."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import AttentionInterface

from harness.costs.devices import Device
from harness.costs.flops import pair_flops
from harness.errors import TrainingError
from harness.gpu_check import equality, profile, run, whole
from harness.gpu_check.clock import Clock
from harness.gpu_check.made import RESPONSES, TINY, collator, load_of, made_pairs
from harness.gpu_check.steps.engines import TorchEngine
from harness.gpu_check.steps.ours import Amounts
from harness.gpu_check.steps.rows import Measured
from harness.training.attention.choose import FUNCTIONS
from harness.training.attention.segments import segment_attention
from harness.training.kernels import choose
from harness.training.kernels.choose import EVERYWHERE, Kernels
from harness.training.kernels.operations import PLAIN, norm

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
    cut = replace(last, visible=last.visible[1:])
    row = replace(packed_row, segments=(*others, cut))
    return segment_attention(module, query, key, value, mask, scaling, packed_row=row, **rest)


def test_a_kernel_that_hides_an_ancestor_is_found(monkeypatch):
    """In every comparison; the check ends where the run would use it, and only there."""
    right = FUNCTIONS["flex"]
    monkeypatch.setitem(FUNCTIONS, "flex", one_ancestor_less)
    AttentionInterface.register("packed_flex", one_ancestor_less)
    try:
        rows = equality.check(TINY, CPU, ("segments", "flex"), ())
    finally:
        AttentionInterface.register("packed_flex", right)
    exact = {(row["what"], row["dtype"]): row["exact"] for row in rows if row["kernel"] == "flex"}
    assert len(exact) == 5
    assert not any(exact.values())
    assert all(row["exact"] for row in rows if row["kernel"] == "segments")
    equality.refuse_wrong(rows, Kernels("packed_segments", "torch"))
    with pytest.raises(TrainingError, match="gradient of one layer, flex, bfloat16"):
        equality.refuse_wrong(rows, Kernels("packed_flex", "torch"))


def test_a_wrong_small_operation_is_found(monkeypatch):
    """A norm that forgets its weight."""
    wrong = PLAIN._replace(
        norm=lambda hidden, weight, epsilon: norm(hidden, 0 * weight + 1, epsilon)
    )
    monkeypatch.setitem(choose.OPERATIONS, "liger", lambda: wrong)
    rows = equality.check(TINY, CPU, ("segments",), ("liger",))
    assert {row["exact"] for row in rows if row["kernel"] == "liger"} == {False}
    with pytest.raises(TrainingError, match=r"small operations .* liger, bfloat16"):
        equality.refuse_wrong(rows, Kernels("packed_segments", "liger"))


def test_the_packed_step_is_no_further_from_float32_than_the_plain_one():
    """In bfloat16 on a CPU; the plain step is its own bound."""
    plain, packed = (
        {row["what"]: row for row in whole.rows(TINY, CPU, [EVERYWHERE]) if row["kernel"] == kernel}
        for kernel in ("two padded rows", "segments, torch")
    )
    assert len(plain) == len(packed) == 4
    for what, row in packed.items():
        assert 0 < row["error"] < 3 * plain[what]["error"]
    assert all(row["exact"] for row in plain.values())


def test_a_whole_step_that_hides_an_ancestor_is_found(monkeypatch):
    """The gradients are then far from the truth, and not by rounding."""
    right = FUNCTIONS["flex"]
    AttentionInterface.register("packed_flex", one_ancestor_less)
    try:
        found = list(whole.rows(TINY, CPU, [Kernels("packed_flex", "torch")]))
    finally:
        AttentionInterface.register("packed_flex", right)
    (projector,) = (
        row for row in found if row["kernel"] == "flex, torch" and "projector" in row["what"]
    )
    assert projector["exact"] is False


def test_a_part_that_fails_is_named_and_the_others_are_done(monkeypatch, tmp_path):
    def broken(*_):
        raise RuntimeError("the card fell off")

    monkeypatch.setattr(run, "plain_rows", broken)
    file = tmp_path / "check.json"
    wanted = run.Wanted(Amounts((1,), 1, 1), 5.0, parts=("released", "answers"), file=file)
    with pytest.raises(TrainingError, match="released: RuntimeError: the card fell off"):
        run.run("tiny", None, CPU, wanted)
    found = json.loads(file.read_text())
    assert "in broken" in found["tracebacks"][0]
    assert found["generation"]


def test_a_clock_gives_parts_of_what_is_left():
    now = iter([0.0, 10.0, 10.0, 34.0, 41.0])
    clock = Clock(70.0, lambda: next(now))
    part = clock.part(0.5)  # at 10 s 60 s are left: half of them end at 40 s
    assert not part.over
    assert part.over


def test_a_time_that_is_over_leaves_no_part():
    now = iter([0.0, 5.0, 5.0, 5.0])
    assert Clock(1.0, lambda: next(now)).part(0.5).over


def test_a_host_that_stumbles_once_does_not_change_the_median():
    step = Measured("dpo", "none", 2, 100, (0.5, 9.0, 0.4))
    assert step.row(TINY, load_of(TINY, 2), Device("CPU", 1, None))["seconds"] == 0.5


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("nvjet_sm90_tst_192x192_64x3_2x1_v_bz_coopB_NNN", "matrix products"),
        ("sm90_xmma_gemm_f32f32_tf32f32_f32_nt_n_tilesize128x128x32", "matrix products"),
        ("void pytorch_flash::flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<...>", "attention"),
        ("_rms_norm_backward_kernel", "fused operations"),
        ("_triton_rope", "fused operations"),
        ("Memcpy DtoD (Device -> Device)", "copies"),
        ("void at::native::vectorized_elementwise_kernel<8, ...>", "elementwise and reductions"),
    ],
)
def test_kernels_are_told_apart_by_their_names(kernel, kind):
    assert profile.kind_of_kernel(kernel) == kind
