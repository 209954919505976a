"""Kernels for the packed row: each sees what `segments` sees."""

import gc
import itertools
import weakref

import dense_attention
import pytest
import torch
from dense_attention import row_mask
from hypothesis import given, settings
from made_trees import batches, gradients, language_model, packed_logps
from torch.nn import functional as F
from torch.nn.attention.flex_attention import create_mask

from harness.data.rows.packing import pack
from harness.errors import TrainingError
from harness.training.attention import choose as attention
from harness.training.attention import varlen as attention_varlen
from harness.training.attention.choose import use_attention
from harness.training.attention.flex import flex_row_attention, mask_function
from harness.training.attention.segments import segment_attention
from harness.training.attention.varlen import segment_plan, varlen_attention

CPU = torch.device("cpu")
HEADS, KEY_HEADS, SIZE = 4, 2, 8


def seen_in(row):
    """By the tree alone: a position's parent is the last one before it that is one less deep."""
    depths = row.position_ids.tolist()
    seen = torch.zeros(len(depths), len(depths), dtype=torch.bool)
    for place, depth in enumerate(depths):
        seen[place, place] = True
        if depth:
            parent = max(i for i in range(place) if depths[i] == depth - 1)
            seen[place] |= seen[parent]
    return seen


@settings(deadline=None, max_examples=60)
@given(batches())
def test_all_masks_let_a_position_see_just_its_way_to_the_root(batch):
    row, _ = pack(*batch)
    seen = seen_in(row)
    assert torch.equal(row_mask(row, torch.float32) == 0, seen)
    assert torch.equal((row_mask(row, torch.float32) == float("-inf")), ~seen)
    count = row.positions
    assert torch.equal(create_mask(mask_function(row), None, None, count, count, "cpu")[0, 0], seen)
    assert torch.equal(seen_by_plan(row), seen)


@settings(deadline=None, max_examples=60)
@given(batches())
def test_all_masks_of_needed_positions_are_rows_of_the_whole(batch):
    row, _ = pack(*batch)
    seen = seen_in(row)[row.needed]
    asked, count = len(row.needed), row.positions
    function = mask_function(row, only_needed=True)
    assert torch.equal(create_mask(function, None, None, asked, count, "cpu")[0, 0], seen)
    assert torch.equal(seen_by_plan(row, only_needed=True), seen)


@settings(deadline=None, max_examples=60)
@given(batches())
def test_segments_of_needed_positions_give_the_rows_of_the_whole(batch):
    """Outputs and gradients of keys and values, in float64."""
    row, _ = pack(*batch)
    random = torch.Generator().manual_seed(1)
    query, key, value = (
        torch.randn(1, heads, row.positions, 4, generator=random, dtype=torch.float64)
        for heads in (4, 2, 2)
    )
    weights = torch.randn(1, len(row.needed), 4, 4, generator=random, dtype=torch.float64)

    def found(only_needed):
        asked = query[:, :, row.needed] if only_needed else query
        inputs = key.clone().requires_grad_(), value.clone().requires_grad_()
        output, _ = segment_attention(
            None, asked, *inputs, None, scaling=0.5, packed_row=row, only_needed=only_needed
        )
        output = output if only_needed else output[:, row.needed]
        return output.detach(), *torch.autograd.grad(output, inputs, weights)

    for ours, whole in zip(found(only_needed=True), found(only_needed=False), strict=True):
        assert torch.allclose(ours, whole, rtol=1e-9, atol=1e-12)


def seen_by_plan(row, only_needed=False):
    """Gather the row's places as the plan does; the last query of a sequence sees all its keys."""
    plan = segment_plan(row, only_needed)
    nodes = torch.arange(row.positions).split(list(row.node_lengths))
    gathered = torch.cat([nodes[node] for node in plan.gathered])
    asked = len(row.needed) if only_needed else row.positions
    seen = torch.zeros(asked, row.positions, dtype=torch.bool)
    for queries, keys in sequences_of(plan.query_starts, plan.key_starts):
        for query in range(queries.start, queries.stop):
            hidden = queries.stop - 1 - query
            seen[query, gathered[keys.start : keys.stop - hidden]] = True
    return seen


def sequences_of(query_starts, key_starts):
    ends = [starts.tolist() for starts in (query_starts, key_starts)]
    slices = [[slice(*both) for both in itertools.pairwise(all_)] for all_ in ends]
    return list(zip(*slices, strict=True))


@settings(deadline=None, max_examples=40)
@given(batches())
def test_dense_gives_the_logps_and_gradients_of_segments(batch):
    row, _ = pack(*batch)
    dense, segments = (packed_logps(row, f"packed_{name}") for name in ("dense", "segments"))
    torch.testing.assert_close(dense, segments, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(
        gradients(language_model("packed_dense"), dense),
        gradients(language_model("packed_segments"), segments),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def drawn_states(row, dtype=torch.float64, needs_gradient=True):
    random = torch.Generator().manual_seed(0)
    return [
        torch.randn(1, heads, row.positions, SIZE, generator=random, dtype=dtype).requires_grad_(
            needs_gradient
        )
        for heads in (HEADS, KEY_HEADS, KEY_HEADS)
    ]


def attend(function, row, states):
    return function(None, *states, None, scaling=0.3, packed_row=row)[0]


@settings(deadline=None, max_examples=10)
@given(batches())
def test_flex_gives_the_output_of_segments(batch):
    """Forward only: FlexAttention has no backward on CPU."""
    row, _ = pack(*batch)
    states = drawn_states(row, needs_gradient=False)
    torch.testing.assert_close(
        attend(flex_row_attention, row, states),
        attend(segment_attention, row, states),
        rtol=1e-9,
        atol=1e-9,
    )


def sequence_by_sequence(
    query, key, value, query_starts, key_starts, longest_query, longest_key, scale
):
    """What the variable-length kernel of a GPU computes, on any device."""
    parts = []
    for queries, keys in sequences_of(query_starts, key_starts):
        lengths = queries.stop - queries.start, keys.stop - keys.start
        assert lengths[0] <= longest_query
        assert lengths[1] <= longest_key
        mask = torch.ones(lengths, dtype=torch.bool).tril(lengths[1] - lengths[0])
        sides = (one.transpose(0, 1) for one in (query[queries], key[keys], value[keys]))
        parts.append(
            F.scaled_dot_product_attention(*sides, attn_mask=mask, scale=scale, enable_gqa=True)
        )
    return torch.cat(parts, dim=1).transpose(0, 1)


@settings(deadline=None, max_examples=40)
@given(batches())
def test_varlen_gives_the_output_and_gradients_of_segments(batch):
    row, _ = pack(*batch)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention_varlen, "_kernel", lambda: sequence_by_sequence)
        for function in (varlen_attention, segment_attention):
            states = drawn_states(row)
            output = attend(function, row, states)
            weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
            found.append([output, *torch.autograd.grad((output * weights).sum(), states)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["auto", "segments"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cpu_takes_segments(name, dtype):
    assert use_attention(name, CPU, dtype) == "packed_segments"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_kernel_that_is_right_passes_its_check(dtype, monkeypatch):
    monkeypatch.setitem(attention.FUNCTIONS, "flex", dense_attention.dense_attention)
    assert use_attention("flex", CPU, dtype) == "packed_flex"


@pytest.mark.parametrize("name", ["flex", "varlen"])
def test_what_cannot_train_on_a_cpu_is_refused(name):
    with pytest.raises(
        TrainingError, match=r"does not run on cpu.*--set training\.attention=segments"
    ):
        use_attention(name, CPU, torch.float32)


def causal_over_the_whole_row(module, query, key, value, *_, scaling, **_unused):
    output = F.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scaling, enable_gqa=True
    )
    return output.transpose(1, 2), None


def not_a_number(*inputs, **named):
    output, _ = segment_attention(*inputs, **named)
    return output * float("nan"), None


@pytest.mark.parametrize("wrong", [causal_over_the_whole_row, not_a_number])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_kernel_that_sees_something_else_is_refused(wrong, dtype, monkeypatch):
    monkeypatch.setitem(attention.FUNCTIONS, "flex", wrong)
    with pytest.raises(TrainingError, match=r"wrong on cpu.*--set training\.attention=segments"):
        use_attention("flex", CPU, dtype)


def test_a_mask_is_made_once_for_all_layers_and_for_their_recomputation(monkeypatch):
    """Two layers, each run again by the backward pass, and a second pass over the same row."""
    made, subtree_ends = [], dense_attention.subtree_ends

    def counted(row):
        made.append(row.positions)
        return subtree_ends(row)

    monkeypatch.setattr(dense_attention, "subtree_ends", counted)
    model = language_model("packed_dense").train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        row, _ = pack([[1, 2, 3, 0], [1, 4, 5, 0]], [1, 1])
        for _ in range(2):
            gradients(model, packed_logps(row, "packed_dense"))
    finally:
        model.gradient_checkpointing_disable()
    assert made == [row.positions]


def test_a_mask_goes_with_its_row():
    row, _ = pack([[1, 2, 3, 0], [1, 4, 5, 0]], [1, 1])
    mask = weakref.ref(row_mask(row, torch.float32))
    assert mask() is row_mask(row, torch.float32)
    assert mask() is not row_mask(row, torch.float64)
    del row
    gc.collect()
    assert mask() is None
