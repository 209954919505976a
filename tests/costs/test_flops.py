"""The operations of a pair by formula, and against torch's own counter."""

from dataclasses import replace

import pytest
import torch
from live_bytes import made_batch, made_model, made_shape
from torch.utils.flop_counter import FlopCounterMode

from harness.costs.flops import pair_flops, reference_flops, step_flops, tower_flops
from harness.costs.load import Load
from harness.costs.shapes import LLAVA_7B
from harness.costs.views import with_views
from harness.settings.resolve import resolve
from harness.training.step.policy import Policy

TERA = 1e12


def test_the_floor_at_7b_is_33_6_tflop():
    """6 * 6.476e9 * 857.75 positions, head and attention, less what the last layer need not run."""
    assert pair_flops(LLAVA_7B) / TERA == pytest.approx(33.6, abs=0.05)


def test_the_vision_tower_takes_0_38_tflop():
    assert tower_flops(LLAVA_7B) / TERA == pytest.approx(0.38, abs=0.005)


@pytest.mark.parametrize(
    ("step", "checkpointed", "tflop"),
    [("released", 32, 82.2), ("released", 0, 62.2), ("trl", 32, 103.0), ("trl", 0, 82.1)],
)
def test_other_steps_take_what_was_counted_for_them(step: str, checkpointed: int, tflop: float):
    found = step_flops(LLAVA_7B, Load(), step, checkpointed) / TERA
    assert found == pytest.approx(tflop, rel=0.02)


def test_our_step_with_everything_cached_does_no_more_than_the_floor():
    ours = step_flops(LLAVA_7B, Load()) - tower_flops(LLAVA_7B)
    assert ours == pytest.approx(pair_flops(LLAVA_7B))


def test_checkpointing_half_of_the_layers_costs_half_of_checkpointing_all():
    plain, half, whole = (step_flops(LLAVA_7B, Load(), "ours", k) for k in (0, 16, 32))
    assert half - plain == pytest.approx((whole - plain) / 2)


def test_several_passes_run_forward_once_more():
    once, twice = (step_flops(LLAVA_7B, Load(), "ours", passes=n) for n in (1, 2))
    forward = reference_flops(LLAVA_7B, Load()) - tower_flops(LLAVA_7B)
    assert twice - once == pytest.approx(forward)


def test_positions_of_packed_and_plain_rows():
    """35 + 4 * (576 + 25 + 2 * 124) = 3431 and 8 * (636 + 125) = 6088."""
    assert Load().positions == 3431
    assert Load(packed=False).positions == 6088


def test_scores_of_one_pair():
    """Prompt of 3, responses of 3: 6 in the prompt, and for each response 2 * 3 + 3 behind it."""
    load = Load(pairs=1, system=1, image=1, question=1, response=3)
    assert load.scores == 6 + 2 * (2 * 3 + 3)


def test_torch_counts_the_same_products():
    """Forward and backward of a packed row; masks are computed whole, so scores are left out."""
    shape = made_shape(128, 3)
    load = Load(pairs=2, system=10, image=64, question=12, response=20)
    policy = Policy(made_model(shape)).train()
    batch = made_batch(shape, load)
    features = torch.zeros(2, 64, shape.vision.hidden)
    with FlopCounterMode(display=False) as counted:
        logps = policy(batch, features)
        (logps.chosen.sum() - logps.rejected.sum()).backward()
    products = sum(
        flops
        for operation, flops in counted.get_flop_counts()["Global"].items()
        if "attention" not in str(operation)
    )
    expected = load.pairs * (step_flops(shape, load) - tower_flops(shape))
    expected -= 3 * 4 * load.scores * shape.hidden * shape.layers
    assert products == pytest.approx(expected, rel=0.02)


SEVEN = Load(pairs=1)
CROP = replace(SEVEN, branches=(2, 1))


def test_a_view_on_another_picture_shares_the_system_text_alone():
    """886 positions of both responses, and 576 + 25 + 125 less the last one for the view."""
    assert (SEVEN.positions, SEVEN.needed) == (884, 249)
    assert CROP.positions - SEVEN.positions == 576 + 25 + 124
    assert (CROP.needed, CROP.logp_rows, CROP.images) == (249 + 125, 375, 2)
    answers = replace(SEVEN, branches=(3, 2))
    assert answers.positions == 35 + 2 * (576 + 25) + 5 * 124
    assert sum(own * count for _, own, count in answers.segments) == answers.positions
    assert answers.keys_seen == sum((up + own) * count for up, own, count in answers.segments)


def test_mdpo_costs_at_most_2_1_times_dpo_per_pair():
    """1.85 times with crops whose reference is kept, 2.09 with ones that are drawn anew."""
    dpo, kept, anew = (
        step_flops(LLAVA_7B, load) for load in (SEVEN, CROP, replace(CROP, live=(1,)))
    )
    assert 1.75 < kept / dpo <= 1.85
    assert 2.0 < anew / dpo <= 2.1
    padded = replace(SEVEN, packed=False)
    three_rows_and_reference = 1.5 * step_flops(LLAVA_7B, padded, "trl")
    assert three_rows_and_reference / anew > 1.6


@pytest.mark.parametrize(
    ("method", "variant", "branches", "live"),
    [
        ("dpo", None, (2,), ()),
        ("mdpo", None, (2, 1), ()),
        ("mdpo", "released", (2, 1), (1,)),
        ("chip", None, (2, 1), (2, 1)),
    ],
)
def test_a_plan_counts_what_a_method_declares(method, variant, branches, live):
    spec = resolve(method, "7b", variant).spec
    found = with_views(SEVEN, spec)
    assert found == replace(SEVEN, branches=branches, live=live)
