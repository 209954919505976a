"""The memory of a step by formula: states, passes, checkpointing, and the published settings."""

from dataclasses import replace

import pytest

from harness.costs.devices import parse_devices
from harness.costs.load import Load, fitting_pairs
from harness.costs.memory import (
    Setting,
    checkpointed_layers,
    largest_load,
    memory,
    trained_parameters,
)
from harness.costs.shapes import LLAVA_7B, LLAVA_13B, Shape
from harness.errors import ConfigError
from harness.settings.spec import TrainingSpec

GIB = 1 << 30
A100 = parse_devices("4xA100-80GB").memory_bytes
TRAINED_7B = 6_759_919_616


def setting(**changes: object) -> Setting:
    """Four devices with four pairs each, ZeRO-2, bfloat16."""
    values: dict[str, object] = {"zero_stage": 2, "devices": 4, "batch_pairs": 16}
    training = TrainingSpec.model_validate(
        {"learning_rate": 1e-6, "warmup_ratio": 0, "epochs": 1} | values | changes
    )
    return Setting(training)


def test_everything_but_the_vision_tower_is_trained():
    """7,063,427,072 weights in all, 303,507,456 of them in the tower."""
    assert trained_parameters(LLAVA_7B, 0) == 7_063_427_072 - 303_507_456 == TRAINED_7B


def test_lora_trains_two_thin_matrices_per_target_and_the_projector():
    """Per layer 4 * (4096 + 4096) + 3 * (4096 + 11008) = 78,080 times rank 8, 32 layers."""
    projector = 1024 * 4096 + 4096 + 4096 * 4096 + 4096
    assert trained_parameters(LLAVA_7B, 8) == 32 * 8 * 78_080 + projector


@pytest.mark.parametrize(
    ("stage", "bytes_per_weight"),
    [(1, 2 + 2 + 12 / 4), (2, 2 + 2 / 4 + 12 / 4), (3, (2 + 2 + 12) / 4)],
)
def test_zero_cuts_optimizer_then_gradients_then_weights(stage: int, bytes_per_weight: float):
    """Two bytes of a weight, two of its gradient, twelve of the optimizer, on four devices."""
    found = memory(LLAVA_7B, setting(zero_stage=stage), Load())
    whole = found.weights + found.optimizer + TRAINED_7B * 2 // (4 if stage > 1 else 1)
    assert whole == pytest.approx(TRAINED_7B * bytes_per_weight, rel=1e-6)


@pytest.mark.parametrize(
    ("stage", "per_weight"), [(0, 4 + 4 + 8), (1, 4 + 4 + 12), (2, 4 + 4 + 12), (3, 4 + 4 + 12)]
)
def test_float32_needs_master_weights_of_its_own_only_under_zero(stage: int, per_weight: int):
    found = memory(
        LLAVA_7B,
        setting(zero_stage=stage, devices=1, batch_pairs=1, precision="float32"),
        Load(),
        checkpointed=32,
    )
    assert found.states == TRAINED_7B * per_weight


@pytest.mark.parametrize(
    ("stage", "states", "total"), [(2, 34.6, 59.7), (3, 26.3, 51.4)], ids=["ZeRO-2", "ZeRO-3"]
)
def test_7b_needs_what_the_earlier_model_said(stage: int, states: float, total: float):
    """GiB of four pairs without checkpointing; an independent count, 5 % apart at most."""
    plain = setting(zero_stage=stage, attention="segments", kernels="torch")
    found = memory(LLAVA_7B, plain, Load())
    assert found.states / GIB == pytest.approx(states, rel=0.05)
    assert found.total / GIB == pytest.approx(total, rel=0.05)


@pytest.mark.parametrize(("kernels", "least", "most"), [("torch", 10, 16), ("liger", 1, 5)])
def test_7b_fits_without_checkpointing_and_13b_with_some_of_its_layers(
    kernels: str, least: int, most: int
):
    """A third of 13b's layers; with fused kernels, which keep less, a tenth."""
    zero3 = setting(zero_stage=3, kernels=kernels)
    assert checkpointed_layers(LLAVA_7B, zero3, Load(), A100) == 0
    assert least <= checkpointed_layers(LLAVA_13B, zero3, Load(), A100) <= most


@pytest.mark.parametrize("shape", [LLAVA_7B, LLAVA_13B], ids=["7b", "13b"])
def test_the_published_setting_fits(shape: Shape):
    """4 x 80 GB, ZeRO-3, four pairs per device, gradient checkpointing."""
    published = setting(zero_stage=3, gradient_checkpointing=True)
    assert memory(shape, published, Load()).fits(A100)


def test_the_fewest_layers_are_those_that_just_fit():
    zero3 = setting(zero_stage=3)
    layers = checkpointed_layers(LLAVA_13B, zero3, Load(), A100)
    assert memory(LLAVA_13B, zero3, Load(), layers).fits(A100)
    assert not memory(LLAVA_13B, zero3, Load(), layers - 1).fits(A100)


def test_where_not_even_all_layers_suffice_it_says_what_would():
    with pytest.raises(ConfigError, match=r"all 40 layers needs .* training\.offload=optimizer"):
        checkpointed_layers(LLAVA_13B, setting(zero_stage=2), Load(), A100)


def test_offload_moves_the_optimizer_and_then_the_weights():
    """Twelve bytes of the optimizer and four of float32 gradients, a quarter of each per device."""
    none = memory(LLAVA_7B, setting(zero_stage=3), Load())
    some = memory(LLAVA_7B, setting(zero_stage=3, offload="optimizer"), Load())
    both = memory(LLAVA_7B, setting(zero_stage=3, offload="optimizer_and_weights"), Load())
    assert (none.cpu, some.optimizer, some.gradients) == (0, 0, 0)
    assert some.cpu == pytest.approx(TRAINED_7B * 16 / 4)
    assert both.cpu == pytest.approx(TRAINED_7B * 18 / 4)
    assert (some.weights, both.weights) == (none.weights, 0)


def test_smaller_passes_hold_fewer_activations():
    """Of four pairs one at a time: 35 + 576 + 25 + 2 * 124 = 884 positions instead of 3431."""
    one = setting(pairs_per_pass=1)
    assert one.pass_of(Load()).positions == 884
    assert one.passes(Load()) == 4
    whole, part = memory(LLAVA_7B, setting(), Load()), memory(LLAVA_7B, one, Load())
    assert part.activations < 0.4 * whole.activations
    assert part.states == whole.states


@pytest.mark.parametrize(("tokens", "pairs"), [(None, 4), (1768, 2), (2651, 2), (10, 1)])
def test_a_bound_of_tokens_leaves_whole_pairs(tokens: int | None, pairs: int):
    """A pair alone takes 884 positions; one pair always runs."""
    assert fitting_pairs(Load(), None, tokens) == pairs


def test_the_largest_load_covers_the_longest_pairs():
    """The two longest of three: prompts of 110 and 120, (30 + 50 + 40 + 41) / 4 = 40.25 tokens."""
    lengths = [(110, 30, 50), (100, 5, 5), (120, 40, 41)]
    load = largest_load(lengths, pairs=2, image=64, system=10)
    assert (load.prompt, load.response) == (115, 41)
    assert load.positions >= 10 + (100 + 29 + 49) + (110 + 39 + 40)


def test_the_plain_step_holds_more_of_everything():
    plain = memory(LLAVA_7B, setting(), Load(packed=False))
    packed = memory(LLAVA_7B, setting(), Load())
    assert plain.activations > 1.5 * packed.activations


def test_the_head_keeps_as_many_rows_as_the_policy_does():
    from harness.costs.activations import HEAD_ROWS
    from harness.training.step import policy

    assert policy._HEAD_ROWS == HEAD_ROWS


def test_a_reference_that_runs_in_every_step_lies_beside_the_policy():
    """All that is trained once more, or with adapters below ZeRO-3 what they leave to be copied."""
    live = replace(Load(), branches=(2, 1), live=(1,))

    def extra(rank: int, **changes: object) -> int:
        one = replace(setting(**changes), lora_rank=rank)
        assert memory(LLAVA_7B, one, replace(live, live=())).live_reference == 0
        return memory(LLAVA_7B, one, live).live_reference

    assert extra(0) == 2 * TRAINED_7B
    assert extra(8) == 2 * trained_parameters(LLAVA_7B, 8)
    assert extra(8, zero_stage=3) == 2 * TRAINED_7B
