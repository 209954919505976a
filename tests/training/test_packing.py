"""The packed row: what is shared stands once, and nothing else changes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaModel

from harness.data.packing import pack
from harness.training.attention import NAME

VOCABULARY = 7


def language_model(attention):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation=attention,
        # Large weights: a small random model hardly looks at what stands before.
        initializer_range=0.5,
    )
    return LlamaModel(config).double()


PLAIN, PACKED = language_model("sdpa"), language_model(NAME)


def test_a_pair_shares_prompt_and_the_beginning_of_its_responses():
    """Prompt 1 2, responses 3 4 5 and 3 6: 1 2 3 stand once; the last tokens are no inputs."""
    row, places = pack([[1, 2, 3, 4, 5], [1, 2, 3, 6]], [2, 2])
    assert row.input_ids.tolist() == [1, 2, 3, 4]
    assert row.position_ids.tolist() == [0, 1, 2, 3]
    assert row.predicting.tolist() == [1, 2, 3, 2]
    assert row.targets.tolist() == [3, 4, 5, 6]
    assert [index.tolist() for index in places] == [[0, 1, 2], [0, 3]]


def test_branches_restart_at_the_depth_of_their_parent_and_do_not_see_each_other():
    """Root 1, branches 2 3 and 4 5: the second stands behind the first and sees only the root."""
    row, _ = pack([[1, 2, 3, 0], [1, 4, 5, 0]], [1, 1])
    assert row.input_ids.tolist() == [1, 2, 3, 4, 5]
    assert row.position_ids.tolist() == [0, 1, 2, 1, 2]
    assert row.node_lengths == (1, 2, 2)
    first, second = row.segments
    assert (first.length, first.visible, first.mask) == (3, (0, 1), None)
    assert (second.length, second.visible) == (2, (0, 2))
    assert second.mask.tolist() == [[True, True, False], [True, True, True]]


def test_images_with_different_slots_are_not_shared():
    """-1 and -2 are the features of one image, -3 and -4 those of another."""
    row, _ = pack([[1, -1, -2, 5, 6], [1, -3, -4, 5, 6]], [3, 3])
    assert row.input_ids.tolist() == [1, -1, -2, 5, -3, -4, 5]


@st.composite
def batches(draw):
    """Pairs of prompts and responses over few tokens, so that beginnings are often equal."""
    tokens = st.integers(0, VOCABULARY - 1)
    sequences, starts = [], []
    for _ in range(draw(st.integers(1, 4))):
        prompt = draw(st.lists(tokens, min_size=1, max_size=6))
        for _side in range(2):
            sequences.append(prompt + draw(st.lists(tokens, min_size=1, max_size=5)))
            starts.append(len(prompt))
    return sequences, starts


@settings(deadline=None, max_examples=60)
@given(batches())
def test_packed_logps_and_gradients_equal_those_of_each_sequence_alone(batch):
    """In float64 to 1e-9: one-token, equal and prefix responses and equal prompts included."""
    sequences, starts = batch
    row, places = pack(sequences, starts)
    together = torch.cat([packed_logps(row)[index] for index in places])
    alone = torch.cat(
        [plain_logps(ids, start) for ids, start in zip(sequences, starts, strict=True)]
    )
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    weights = torch.linspace(-1, 1, len(alone), dtype=torch.float64)
    for ours, theirs in zip(
        gradients(PACKED, together, weights), gradients(PLAIN, alone, weights), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(batches())
def test_no_prefix_stands_twice(batch):
    """As many positions as there are different beginnings of sequences, last tokens apart."""
    sequences, starts = batch
    row, _ = pack(sequences, starts)
    beginnings = {tuple(ids[:end]) for ids in sequences for end in range(1, len(ids))}
    assert row.positions == len(beginnings) == sum(row.node_lengths)
    assert row.positions == sum(segment.length for segment in row.segments)


def test_restarted_positions_without_segments_are_wrong():
    """Plain causal attention over the packed row lets the second response see the first."""
    row, places = pack([[1, 2, 3, 4], [1, 2, 5, 6]], [2, 2])
    hidden = PLAIN(row.input_ids[None], position_ids=row.position_ids[None]).last_hidden_state[0]
    wrong = logps(hidden, row.predicting, row.targets)[places[1]]
    assert not torch.allclose(wrong, plain_logps([1, 2, 5, 6], 2), atol=1e-2)


def packed_logps(row):
    hidden = PACKED(
        row.input_ids[None], position_ids=row.position_ids[None], packed_row=row, use_cache=False
    ).last_hidden_state[0]
    return logps(hidden, row.predicting, row.targets)


def plain_logps(ids, start):
    hidden = PLAIN(torch.tensor([ids[:-1]]), use_cache=False).last_hidden_state[0]
    places = torch.arange(start - 1, len(ids) - 1)
    return logps(hidden, places, torch.tensor(ids[start:]))


def logps(hidden, places, targets):
    """Under a head that is the identity on the first hidden dimensions."""
    return -F.cross_entropy(hidden[places, :VOCABULARY], targets, reduction="none")


def gradients(model, values, weights):
    model.zero_grad()
    (values * weights).sum().backward()
    return [weight.grad.clone() for weight in model.parameters()]


@pytest.mark.parametrize("model", [PLAIN, PACKED], ids=["plain", "packed"])
def test_the_models_of_these_tests_are_equal(model):
    for ours, theirs in zip(model.parameters(), PLAIN.parameters(), strict=True):
        assert torch.equal(ours, theirs)
